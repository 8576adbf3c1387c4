// Icons, drawn on 16 by 16 units. Each has a shape of its own: the color only repeats it.

import { svg } from "./dom.js";

const CIRCLE = "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 0 1 0-12.5z";
const SHAPES = {
  failed: ["M5.2 1.75h5.6l3.45 3.45v5.6l-3.45 3.45H5.2L1.75 10.8V5.2z", "M5.75 5.75l4.5 4.5M10.25 5.75l-4.5 4.5"],
  stalled: ["M8 1.9L14.6 13.6H1.4z", "M8 6.2v3.4M8 11.6v.1"],
  waiting: [CIRCLE, "M6.1 6.2a1.95 1.95 0 1 1 2.7 1.8c-.6.3-.8.7-.8 1.3M8 11.5v.1"],
  booting: ["M8 1.75a6.25 6.25 0 1 1-6.25 6.25", "M8 4.9v3.2l2 1.6"],
  served: [CIRCLE, "M8 4.6v6M5.4 8.2L8 10.8l2.6-2.6"],
  booted: [CIRCLE, "M5.1 8.3l2 2 3.8-4.2"],
  "backed-up": ["M8 1.5l5.5 2v4.3c0 3.3-2.3 5.6-5.5 6.7c-3.2-1.1-5.5-3.4-5.5-6.7V3.5z", "M5.4 8l1.9 1.9 3.4-3.7"],
  planned: ["M5 2.5a6.25 6.25 0 0 1 6 0M13.5 5a6.25 6.25 0 0 1 0 6M11 13.5a6.25 6.25 0 0 1-6 0M2.5 11a6.25 6.25 0 0 1 0-6"],
  error: ["M5.2 1.75h5.6l3.45 3.45v5.6l-3.45 3.45H5.2L1.75 10.8V5.2z", "M8 4.8v3.8M8 11v.1"],
  warning: ["M8 1.9L14.6 13.6H1.4z", "M8 6.2v3.4M8 11.6v.1"],
  search: ["M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9z", "M10.4 10.4l3.3 3.3"],
  close: ["M4 4l8 8M12 4l-8 8"],
  differs: ["M2.5 8h11", "M9.5 4l4 4-4 4"],
  empty: [CIRCLE, "M5 8h6"],
};

export function icon(shape, className = "") {
  const paths = SHAPES[shape].map((d) => svg("path", { d }));
  return svg("svg", { class: `icon ${className}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, paths);
}
