"""What people look at: frames and records in, things with a repr out. Nothing here fetches, opens or prints."""
