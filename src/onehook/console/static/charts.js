// Charts of minutes. The same figures stand in a table below each.
"use strict";

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(holder) {
  const lines = JSON.parse(holder.dataset.lines);
  const rows = JSON.parse(holder.dataset.rows);
  holder.replaceChildren();
  if (!rows.length) return;
  const quiet = colour("--quiet");
  const grid = { stroke: quiet + "33", width: 1 };
  const data = [rows.map((row) => row[0]), ...lines.map((_, at) => rows.map((row) => row[at + 1]))];
  const options = {
    width: holder.clientWidth,
    height: 220,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
    axes: [
      { stroke: quiet, grid, values: (_, ticks) => ticks.map((t) => new Date(t * 1e3).toISOString().slice(11, 16)) },
      { stroke: quiet, grid, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000] },
    ],
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 4)] } },
    legend: { live: true },
    series: [
      { label: "UTC", value: (_, t) => (t == null ? "–" : new Date(t * 1e3).toISOString().slice(11, 16)) },
      ...lines.map(([label, variable]) => ({ label, stroke: colour(variable), width: 2, fill: colour(variable) + "22", points: { show: false } })),
    ],
  };
  return new uPlot(options, data, holder);
}

const holders = [...document.querySelectorAll("[data-chart]")];
let width = 0;
function drawAll() {
  if (innerWidth === width) return;
  width = innerWidth;
  for (const holder of holders) draw(holder);
}
drawAll();
addEventListener("resize", drawAll);
