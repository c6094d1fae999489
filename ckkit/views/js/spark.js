// A sparkline: a line with a light ground, broken where values are missing. A ratio is drawn between 0 and 1, all else
// between 0 and its greatest value.
const SPARK_H = 20;

function strokes(values) {
  const found = [];
  for (let i = 0, last = -2; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue;
    if (i !== last + 1) found.push([]);
    found.at(-1).push(i);
    last = i;
  }
  return found;
}

function spark(canvas, values, width, ratio, colour) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = SPARK_H * scale;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${SPARK_H}px`;
  let top = 0;
  for (const value of values) if (value > top) top = value;
  top = ratio ? 1 : top * 1.1 || 1;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.25;
  pen.lineJoin = "round";
  const x = (i) => 1 + (i * (width - 2)) / Math.max(values.length - 1, 1);
  const y = (i) => SPARK_H - 1.5 - Math.min(Math.max(values[i] / top, 0), 1) * (SPARK_H - 4);
  for (const stroke of strokes(values)) {
    const [first, last] = [stroke[0], stroke.at(-1)];
    pen.beginPath();
    pen.moveTo(x(first), y(first));
    for (const i of stroke) pen.lineTo(x(i), y(i));
    if (first === last) pen.lineTo(x(last) + 1.5, y(last)); // one point alone is a dot
    pen.globalAlpha = 1;
    pen.stroke();
    pen.lineTo(x(last), SPARK_H - 1);
    pen.lineTo(x(first), SPARK_H - 1);
    pen.globalAlpha = 0.12;
    pen.fill();
  }
}
