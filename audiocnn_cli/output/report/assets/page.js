"use strict";
// The page's plots are uPlot's; this ties them to each other, to the player and to the keyboard.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const audio = document.getElementById("audio");
  const readout = document.getElementById("readout");
  const whole = document.getElementById("whole");
  const showWhy = document.getElementById("show-why");
  const { start, end, wave, spectrogram, why, probabilities } = data;
  const shortest = 0.05;
  let position = start;
  let shown = [start, end];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const clock = (seconds, digits = 1) => {
    const unit = 10 ** digits;
    const count = Math.round(seconds * unit);
    const minutes = Math.floor(count / (60 * unit));
    const rest = ((count - minutes * 60 * unit) / unit).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  // The player.
  const seek = (time, play) => {
    position = clamp(time, start, end);
    if (audio) {
      if (position - start > data.kept + 0.1) {
        readout.textContent = `The page holds no sound behind ${clock(start + data.kept)}.`;
        audio.pause();
      } else {
        audio.currentTime = position - start;
        if (play) audio.play();
      }
    }
    showPosition();
  };
  const toggle = () => {
    if (!audio) return;
    if (audio.paused) audio.play();
    else audio.pause();
  };

  // The plots.
  const plots = [];
  const axis = (more) => ({
    stroke: () => colour("--muted"),
    grid: { stroke: () => colour("--grid"), width: 1 },
    ticks: { stroke: () => colour("--grid"), width: 1, size: 4 },
    font: "12px system-ui, sans-serif",
    ...more,
  });
  const digits = (step) => (step >= 1 ? 0 : step >= 0.1 ? 1 : 2);
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
  const timeAxis = axis({ size: 26, gap: 2, incrs: steps, values: (_, splits, __, ___, step) => splits.map((s) => clock(s, digits(step))) });
  const frame = (id, height, options, values) => {
    const host = document.getElementById(id);
    const plot = new uPlot({
      width: host.clientWidth,
      height,
      legend: { show: false },
      padding: [6, 24, 0, 0],
      cursor: { y: false, drag: { x: true, y: false, dist: 6 }, sync: { key: "report", setSeries: false }, points: { show: false } },
      ...options,
      scales: { x: { time: false, range: () => shown }, ...options.scales },
      hooks: { setSelect: [zoomToSelection], setCursor: [showReadout], ...options.hooks },
    }, values, host);
    plots.push(plot);
    makeControl(plot, host.previousElementSibling.firstChild.textContent.trim());
    new ResizeObserver(() => {
      if (host.clientWidth && host.clientWidth !== plot.width) plot.setSize({ width: host.clientWidth, height });
    }).observe(host);
    return plot;
  };

  const zoom = (low, high) => {
    const span = clamp(high - low, Math.min(shortest, end - start), end - start);
    const begin = clamp(low, start, end - span);
    shown = [begin, begin + span];
    whole.disabled = span >= end - start;
    for (const plot of plots) plot.setScale("x", { min: shown[0], max: shown[1] });
    showPosition();
  };
  const zoomBy = (factor) => {
    const half = ((shown[1] - shown[0]) * factor) / 2;
    zoom(position - half, position + half);
  };
  function zoomToSelection(plot) {
    const { left, width } = plot.select;
    if (width < 6) return;
    const low = plot.posToVal(left, "x");
    const high = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoom(low, high);
  }
  whole.addEventListener("click", () => zoom(start, end));

  // Each plot is a slider over time: for the mouse, for a finger, and for the keyboard.
  const makeControl = (plot, name) => {
    const over = plot.over;
    const head = document.createElement("div");
    head.className = "playhead";
    over.append(head);
    plot.head = head;
    over.tabIndex = 0;
    over.setAttribute("role", "slider");
    over.setAttribute("aria-label", `${name}: position`);
    over.setAttribute("aria-valuemin", start.toFixed(2));
    over.setAttribute("aria-valuemax", end.toFixed(2));
    let pressed = null;
    over.addEventListener("mousedown", (event) => { pressed = event.clientX; });
    over.addEventListener("click", (event) => {
      if (pressed !== null && Math.abs(event.clientX - pressed) > 5) return;
      seek(plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x"), true);
    });
    over.addEventListener("dblclick", () => zoom(start, end));
    over.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 10 : 1;
      const action = {
        ArrowRight: () => seek(position + step),
        ArrowLeft: () => seek(position - step),
        Home: () => seek(start),
        End: () => seek(end),
        Enter: () => seek(position, true),
        " ": toggle,
        "+": () => zoomBy(0.5),
        "=": () => zoomBy(0.5),
        "-": () => zoomBy(2),
        0: () => zoom(start, end),
      }[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
  };

  const showPosition = () => {
    for (const plot of plots) {
      const left = plot.valToPos(position, "x");
      plot.head.hidden = position < shown[0] || position > shown[1];
      plot.head.style.transform = `translateX(${left}px)`;
      plot.over.setAttribute("aria-valuenow", position.toFixed(2));
      plot.over.setAttribute("aria-valuetext", clock(position));
    }
    document.querySelectorAll("#event-table tbody tr").forEach((row, i) => {
      const { start: from, end: to } = data.events[i];
      row.classList.toggle("now", from <= position && position < to);
    });
  };
  function showReadout(plot) {
    const { left } = plot.cursor;
    if (left === null || left < 0 || !plot.over.matches(":hover")) return;
    const time = plot.posToVal(left, "x");
    const at = Math.max(0, probabilities.times.findLastIndex((t) => t <= time));
    const best = probabilities.labels
      .map((label, i) => [probabilities.lines[i][at], label])
      .sort((a, b) => b[0] - a[0])
      .slice(0, 3);
    readout.textContent = `${clock(time)}  ·  ${best.map(([p, label]) => `${label} ${p.toFixed(2)}`).join(", ")}`;
  }

  // A picture lies where its corners are in time and on the axis of the plot.
  const picture = (src, times, levels, smooth) => {
    const image = new Image();
    image.addEventListener("load", () => plots.forEach((plot) => plot.redraw(false)));
    image.src = src;
    return (plot) => {
      if (!image.complete || !image.naturalWidth) return;
      const { left, top, width, height } = plot.bbox;
      const [x0, x1] = times.map((time) => plot.valToPos(time, "x", true));
      const [y1, y0] = levels.map((level) => plot.valToPos(level, "y", true));
      const context = plot.ctx;
      context.save();
      context.beginPath();
      context.rect(left, top, width, height);
      context.clip();
      context.imageSmoothingEnabled = smooth;
      context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
      context.restore();
    };
  };
  const outlines = (plot) => {
    const context = plot.ctx;
    context.save();
    context.beginPath();
    context.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    context.clip();
    context.lineWidth = 2 * devicePixelRatio;
    for (const [i, span] of why.spans.entries()) {
      const [x0, x1] = [span.start, span.end].map((time) => plot.valToPos(time, "x", true));
      const [y1, y0] = [span.low, span.high].map((mel) => plot.valToPos(mel, "y", true));
      context.strokeStyle = i ? "rgb(255 255 255 / 70%)" : "#ff5c39";
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    context.restore();
  };

  const waveTimes = wave.lows.map((_, i) => start + (i + 0.5) * wave.step);
  frame("wave", 104, {
    padding: [8, 24, 8, 0],
    scales: { y: { range: [-128, 128] } },
    axes: [{ ...timeAxis, show: false }, axis({ size: 46, splits: [-127, 0, 127], values: () => [-wave.loudest, 0, wave.loudest].map((v) => v.toFixed(2)) })],
    series: [{}, { points: { show: false }, stroke: () => colour("--wave"), width: 1 }, { points: { show: false }, stroke: () => colour("--wave"), width: 1 }],
    bands: [{ series: [2, 1], fill: () => colour("--wave") }],
  }, [waveTimes, wave.lows, wave.highs]);

  const drawSpectrogram = picture(spectrogram.src, spectrogram.times, spectrogram.mels, true);
  const drawWhy = picture(why.src, why.times, spectrogram.mels, false);
  const seen = frame("spectrogram", 260, {
    scales: { y: { range: spectrogram.mels } },
    axes: [
      axis({ ...timeAxis, grid: { show: false } }),
      axis({ size: 46, grid: { show: false }, splits: spectrogram.ticks, values: () => spectrogram.names }),
    ],
    series: [{}, { show: true, points: { show: false } }],
    hooks: {
      drawClear: [(plot) => {
        drawSpectrogram(plot);
        if (!showWhy.checked) return;
        drawWhy(plot);
        outlines(plot);
      }],
    },
  }, [[start, end], [null, null]]);
  showWhy.addEventListener("change", () => {
    document.getElementById("why-key").hidden = !showWhy.checked;
    seen.redraw(false);
  });

  const lines = frame("probabilities", 230, {
    scales: { y: { range: [0, 1.02] } },
    axes: [timeAxis, axis({ size: 46 })],
    series: [{}, ...probabilities.labels.map((label, i) => ({
      label,
      stroke: () => colour(`--s${i}`),
      width: i ? 1.75 : 2.5,
      paths: uPlot.paths.stepped({ align: 1 }),
      points: { show: false },
    }))],
  }, [probabilities.times, ...probabilities.lines]);

  // Which line is which, and a way to hide it.
  const legend = document.getElementById("legend");
  const marks = probabilities.labels.map((label, i) => {
    const button = document.createElement("button");
    const mark = document.createElement("i");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(mark, label);
    button.addEventListener("click", () => {
      const visible = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(visible));
      lines.setSeries(i + 1, { show: visible });
    });
    legend.append(button);
    return mark;
  });
  const paint = () => {
    marks.forEach((mark, i) => { mark.style.background = colour(`--s${i}`); });
    for (const plot of plots) plot.redraw(false, true);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();

  for (const button of document.querySelectorAll(".seek")) {
    button.addEventListener("click", () => seek(Number(button.dataset.at), true));
  }
  if (audio) {
    const follow = () => {
      position = start + audio.currentTime;
      showPosition();
    };
    const animate = () => {
      follow();
      if (!audio.paused) requestAnimationFrame(animate);
    };
    audio.addEventListener("seeked", follow);
    audio.addEventListener("play", animate);
  }
  showPosition();
})();
