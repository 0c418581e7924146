// The latency-accuracy scatter: points with error bars and the Pareto line.
"use strict";

const errorBars = {
  id: "errorBars",
  beforeDatasetsDraw(chart) {
    const { ctx, scales: { x, y } } = chart;
    chart.getDatasetMeta(0).data.forEach((element, index) => {
      const point = chart.data.datasets[0].data[index];
      ctx.save();
      ctx.strokeStyle = point.colour;
      ctx.globalAlpha = 0.8;
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(x.getPixelForValue(point.xLow), element.y);
      ctx.lineTo(x.getPixelForValue(point.xHigh), element.y);
      ctx.moveTo(element.x, y.getPixelForValue(point.yLow));
      ctx.lineTo(element.x, y.getPixelForValue(point.yHigh));
      ctx.stroke();
      ctx.restore();
    });
  },
};

// They come as a list a column: names said once are half the bytes.
function rows(columns) {
  const names = Object.keys(columns);
  return columns.x.map((_, index) => Object.fromEntries(names.map((name) => [name, columns[name][index]])));
}

function ends(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const air = (high - low || high || 1) * 0.06;
  return { min: low - air, max: high + air };
}

function draw(canvas, points) {
  const style = getComputedStyle(canvas.parentElement);
  const ink = style.color, rule = style.borderColor;
  Chart.defaults.font.family = style.fontFamily;
  const front = points.filter((point) => point.pareto).sort((a, b) => a.x - b.x);
  const axis = (title, bounds) => ({
    ...bounds,
    title: { display: true, text: title, color: ink },
    ticks: { color: ink, maxTicksLimit: 8, includeBounds: false },
    grid: { color: rule },
    border: { color: rule },
  });
  const open = (elements) => {
    const hit = elements.find((element) => element.datasetIndex === 0);
    return hit ? points[hit.index] : null;
  };
  return new Chart(canvas, {
    type: "scatter",
    plugins: [errorBars],
    data: {
      datasets: [
        {
          label: "Entries",
          data: points,
          pointRadius: points.map((point) => (point.pareto ? 7 : 5)),
          pointHoverRadius: 9,
          pointBackgroundColor: points.map((point) => point.colour),
          pointBorderColor: points.map((point) => (point.pareto ? ink : "transparent")),
          pointBorderWidth: 2,
        },
        {
          label: "Nothing beats these on both",
          data: front,
          type: "line",
          stepped: "before",
          pointRadius: 0,
          pointHitRadius: 0,
          borderColor: ink,
          borderWidth: 1,
          borderDash: [4, 4],
        },
      ],
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      scales: {
        x: axis("Latency (ms)", ends(points.flatMap((point) => [point.xLow, point.xHigh]))),
        y: axis("mAP50-95", ends(points.flatMap((point) => [point.yLow, point.yHigh]))),
      },
      onClick(event, elements) {
        const point = open(elements);
        if (point) location.assign(point.url);
      },
      onHover(event, elements) {
        event.native.target.style.cursor = open(elements) ? "pointer" : "default";
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          filter: (item) => item.datasetIndex === 0,
          callbacks: {
            label: ({ raw }) => [
              raw.label,
              `${raw.x.toPrecision(3)} ms (${raw.xLow.toPrecision(3)}\u2013${raw.xHigh.toPrecision(3)})`,
              `mAP50-95 ${raw.y.toFixed(3)} (${raw.yLow.toFixed(3)}\u2013${raw.yHigh.toFixed(3)})`,
            ],
          },
        },
      },
    },
  });
}

async function show(canvas) {
  try {
    const [answer] = await Promise.all([fetch(canvas.dataset.scatter), library("chart.js")]);
    const points = rows(await answer.json());
    let chart = draw(canvas, points);
    document.addEventListener("themechange", () => {
      chart.destroy();
      chart = draw(canvas, points);
    });
  } catch {
    canvas.replaceWith("The chart cannot be loaded; the table below says the same.");
  }
}

// The table must not wait for the chart.
afterFirstPaint(() => document.querySelectorAll("canvas[data-scatter]").forEach(show));
