"use strict";
/**
 * The plots of a page, on canvases, in step with each other, with the player and with the keyboard.
 *
 * @typedef {object} Plot
 * @property {HTMLElement} layer covers the area of the data; takes the pointer and the keyboard
 * @property {CanvasRenderingContext2D} context in CSS pixels, the origin in the corner of that area
 * @property {number} width of that area, in CSS pixels
 * @property {number} height of that area, in CSS pixels
 * @property {(time: number) => number} x position of a time in seconds
 * @property {(value: number) => number} y position of a value of the vertical axis
 * @property {(x: number) => number} time the inverse of `x`
 * @property {() => void} draw
 */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const audio = document.getElementById("audio");
  const readout = document.getElementById("readout");
  const whole = document.getElementById("whole");
  const showWhy = document.getElementById("show-why");
  const { start, end, wave, spectrogram, why, probabilities } = data;
  const shortestZoom = 0.05;
  const dragDistance = 6;
  const margin = { left: 46, right: 24, top: 8, bottom: 26 };
  const tickSteps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
  const tickDistance = 56;
  const hiddenLines = new Set();
  /** @type {Plot[]} */
  const plots = [];
  let position = start;
  let shown = [start, end];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  /** Seconds as m:ss or h:mm:ss, with decimals. */
  const clock = (seconds, digits = 1) => {
    const unit = 10 ** digits;
    const count = Math.round(seconds * unit);
    const minutes = Math.floor(count / (60 * unit));
    const rest = ((count - minutes * 60 * unit) / unit).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  // Position, player and zoom.

  function seek(time, play = false) {
    position = clamp(time, start, end);
    if (audio && position - start > data.kept + 0.1) {
      readout.textContent = `The page has no sound after ${clock(start + data.kept)}.`;
      audio.pause();
    } else if (audio) {
      audio.currentTime = position - start;
      if (play) audio.play();
    }
    showPosition();
  }

  function togglePlayback() {
    if (!audio) return;
    if (audio.paused) audio.play();
    else audio.pause();
  }

  function zoom(low, high) {
    const span = clamp(high - low, Math.min(shortestZoom, end - start), end - start);
    const first = clamp(low, start, end - span);
    shown = [first, first + span];
    whole.disabled = span >= end - start;
    drawAll();
    showPosition();
  }

  function zoomBy(factor) {
    const half = ((shown[1] - shown[0]) * factor) / 2;
    zoom(position - half, position + half);
  }

  function showPosition() {
    for (const plot of plots) {
      placeLine(plot, "playhead", position);
      plot.layer.setAttribute("aria-valuenow", position.toFixed(2));
      plot.layer.setAttribute("aria-valuetext", clock(position));
    }
    document.querySelectorAll("#event-table tbody tr").forEach((row, i) => {
      const part = data.parts[i];
      row.classList.toggle("now", part.start <= position && position < part.end);
    });
  }

  /** Place a vertical line of the layer at `time`; hide it where that is null or not shown. */
  function placeLine(plot, name, time) {
    const line = plot.layer.querySelector(`.${name}`);
    line.hidden = time === null || time < shown[0] || time > shown[1];
    if (!line.hidden) line.style.transform = `translateX(${plot.x(time)}px)`;
  }

  function showCursor(time) {
    for (const plot of plots) placeLine(plot, "cursor", time);
    if (time === null) return;
    const at = Math.max(0, probabilities.times.findLastIndex((each) => each <= time));
    const best = probabilities.labels
      .map((label, i) => [probabilities.lines[i][at], label])
      .sort((a, b) => b[0] - a[0])
      .slice(0, 3);
    readout.textContent = `${clock(time)}  ·  ${best.map(([p, label]) => `${label} ${p.toFixed(2)}`).join(", ")}`;
  }

  // Plots.

  /**
   * Make a plot in the element `id`.
   *
   * @param {string} id
   * @param {object} options
   * @param {number} options.height of the canvas, in CSS pixels
   * @param {[number, number]} options.range of the vertical axis
   * @param {[number, string][]} options.ticks values of the vertical axis and their labels
   * @param {boolean} [options.grid] whether lines are drawn at the ticks
   * @param {(plot: Plot) => void} options.drawData
   * @returns {Plot}
   */
  function makePlot(id, { height, range, ticks, grid = true, drawData }) {
    const host = document.getElementById(id);
    const canvas = document.createElement("canvas");
    const layer = document.createElement("div");
    layer.className = "layer";
    layer.append(...["selection", "cursor", "playhead"].map((name) => {
      const part = document.createElement("div");
      part.className = name;
      part.hidden = true;
      return part;
    }));
    host.append(canvas, layer);
    const plot = {
      layer,
      context: canvas.getContext("2d"),
      width: 0,
      height: height - margin.top - margin.bottom,
      x: (time) => ((time - shown[0]) / (shown[1] - shown[0])) * plot.width,
      y: (value) => (1 - (value - range[0]) / (range[1] - range[0])) * plot.height,
      time: (x) => shown[0] + (x / plot.width) * (shown[1] - shown[0]),
      draw() {
        const scale = devicePixelRatio;
        canvas.width = Math.round(host.clientWidth * scale);
        canvas.height = Math.round(height * scale);
        canvas.style.height = `${height}px`;
        plot.width = Math.max(1, host.clientWidth - margin.left - margin.right);
        Object.assign(layer.style, {
          left: `${margin.left}px`, top: `${margin.top}px`, width: `${plot.width}px`, height: `${plot.height}px`,
        });
        plot.context.setTransform(scale, 0, 0, scale, margin.left * scale, margin.top * scale);
        drawAxes(plot, ticks, grid);
        plot.context.save();
        plot.context.beginPath();
        plot.context.rect(0, 0, plot.width, plot.height);
        plot.context.clip();
        drawData(plot);
        plot.context.restore();
      },
    };
    plots.push(plot);
    addPointer(plot);
    addKeyboard(plot, host.previousElementSibling.firstChild.textContent.trim());
    new ResizeObserver(() => {
      plot.draw();
      showPosition();
    }).observe(host);
    return plot;
  }

  function drawAll() {
    for (const plot of plots) plot.draw();
  }

  /** Draw tick labels, and lines at the ticks, of both axes. */
  function drawAxes({ context, width, height, x, y }, ticks, grid) {
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = colour("--muted");
    context.strokeStyle = colour("--grid");
    context.lineWidth = 1;
    context.beginPath();
    const least = ((shown[1] - shown[0]) * tickDistance) / width;
    const step = tickSteps.find((each) => each >= least) ?? tickSteps.at(-1) * Math.ceil(least / tickSteps.at(-1));
    const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (let i = Math.ceil(shown[0] / step - 1e-9); i * step <= shown[1] + 1e-9; i += 1) {
      const left = Math.round(x(i * step)) + 0.5;
      context.moveTo(left, grid ? 0 : height);
      context.lineTo(left, height + 4);
      context.fillText(clock(i * step, digits), left, height + 8);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [value, label] of ticks) {
      const top = Math.round(y(value)) + 0.5;
      context.moveTo(-4, top);
      context.lineTo(grid ? width : 0, top);
      context.fillText(label, -8, top);
    }
    context.stroke();
  }

  /** A click plays from there, dragging zooms, and the pointer shows the probabilities below it. */
  function addPointer(plot) {
    const { layer } = plot;
    const selection = layer.querySelector(".selection");
    const offset = (event) => clamp(event.clientX - layer.getBoundingClientRect().left, 0, plot.width);
    let pressed = null;
    let dragged = false;
    layer.addEventListener("pointerdown", (event) => {
      dragged = false;
      if (event.pointerType === "mouse" && event.button === 0) pressed = offset(event);
    });
    layer.addEventListener("pointermove", (event) => {
      const x = offset(event);
      showCursor(plot.time(x));
      if (pressed === null) return;
      dragged ||= Math.abs(x - pressed) >= dragDistance;
      selection.hidden = !dragged;
      if (!dragged) return;
      // From here on the pointer may leave the plot.
      if (!layer.hasPointerCapture(event.pointerId)) layer.setPointerCapture(event.pointerId);
      selection.style.left = `${Math.min(x, pressed)}px`;
      selection.style.width = `${Math.abs(x - pressed)}px`;
    });
    layer.addEventListener("pointerleave", () => showCursor(null));
    layer.addEventListener("pointerup", (event) => {
      if (dragged && pressed !== null) {
        const times = [plot.time(pressed), plot.time(offset(event))];
        zoom(Math.min(...times), Math.max(...times));
      }
      pressed = null;
      selection.hidden = true;
    });
    layer.addEventListener("pointercancel", () => {
      pressed = null;
      selection.hidden = true;
    });
    layer.addEventListener("click", (event) => {
      if (!dragged) seek(plot.time(offset(event)), true);
    });
    layer.addEventListener("dblclick", () => zoom(start, end));
  }

  /** Make the layer a slider over time. */
  function addKeyboard({ layer }, name) {
    layer.tabIndex = 0;
    layer.setAttribute("role", "slider");
    layer.setAttribute("aria-label", `${name}: position`);
    layer.setAttribute("aria-valuemin", start.toFixed(2));
    layer.setAttribute("aria-valuemax", end.toFixed(2));
    layer.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 10 : 1;
      const action = {
        ArrowRight: () => seek(position + step),
        ArrowLeft: () => seek(position - step),
        Home: () => seek(start),
        End: () => seek(end),
        Enter: () => seek(position, true),
        " ": togglePlayback,
        "+": () => zoomBy(0.5),
        "=": () => zoomBy(0.5),
        "-": () => zoomBy(2),
        0: () => zoom(start, end),
      }[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
  }

  // Data.

  /** The range between the lowest and the highest sample of each step. */
  function drawWave({ context, x, y }) {
    const time = (i) => x(start + (i + 0.5) * wave.step);
    context.beginPath();
    wave.highs.forEach((high, i) => context.lineTo(time(i), y(high)));
    for (let i = wave.lows.length - 1; i >= 0; i -= 1) context.lineTo(time(i), y(wave.lows[i]));
    context.closePath();
    context.fillStyle = context.strokeStyle = colour("--wave");
    context.fill();
    context.stroke();
  }

  /** A function that draws an image between two times and two values of the vertical axis. */
  function makePicture(src, times, values, smooth) {
    const image = new Image();
    image.addEventListener("load", drawAll);
    image.src = src;
    return ({ context, x, y }) => {
      if (!image.complete || !image.naturalWidth) return;
      const [left, right] = times.map(x);
      const [bottom, top] = values.map(y);
      context.imageSmoothingEnabled = smooth;
      context.drawImage(image, left, top, right - left, bottom - top);
    };
  }

  const drawSpectrogram = makePicture(spectrogram.src, spectrogram.times, spectrogram.mels, true);
  const drawWhy = makePicture(why.src, why.times, spectrogram.mels, false);

  /** The parts with the largest effect, the first of them highlighted. */
  function drawOutlines({ context, x, y }) {
    context.lineWidth = 2;
    why.spans.forEach((span, i) => {
      context.strokeStyle = i ? "rgb(255 255 255 / 70%)" : "#ff5c39";
      context.strokeRect(x(span.start), y(span.high), x(span.end) - x(span.start), y(span.low) - y(span.high));
    });
  }

  /** Step lines: a probability is that of a segment, from its start to the next one's. */
  function drawProbabilities({ context, x, y }) {
    const { times, lines } = probabilities;
    for (let i = lines.length - 1; i >= 0; i -= 1) {
      if (hiddenLines.has(i)) continue;
      context.strokeStyle = colour(`--s${i}`);
      context.lineWidth = i ? 1.75 : 2.5;
      context.beginPath();
      times.forEach((time, j) => {
        if (j) context.lineTo(x(time), y(lines[i][j - 1]));
        context.lineTo(x(time), y(lines[i][j]));
      });
      context.stroke();
    }
  }

  makePlot("wave", {
    height: 124,
    range: [-128, 128],
    ticks: [-1, 0, 1].map((sign) => [sign * 127, (sign * wave.loudest).toFixed(2)]),
    drawData: drawWave,
  });
  const spectrogramPlot = makePlot("spectrogram", {
    height: 266,
    range: spectrogram.mels,
    ticks: spectrogram.ticks.map((mel, i) => [mel, spectrogram.names[i]]),
    grid: false,
    drawData(plot) {
      drawSpectrogram(plot);
      if (!showWhy.checked) return;
      drawWhy(plot);
      drawOutlines(plot);
    },
  });
  const linesPlot = makePlot("probabilities", {
    height: 236,
    range: [0, 1.02],
    ticks: [0, 0.2, 0.4, 0.6, 0.8, 1].map((p) => [p, p.toFixed(1)]),
    drawData: drawProbabilities,
  });
  showWhy.addEventListener("change", () => {
    document.getElementById("why-key").hidden = !showWhy.checked;
    spectrogramPlot.draw();
  });

  // The legend: a button a line, which hides it.
  const legend = document.getElementById("legend");
  probabilities.labels.forEach((label, i) => {
    const button = document.createElement("button");
    const mark = document.createElement("i");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    mark.className = `line-${i}`;
    button.append(mark, label);
    button.addEventListener("click", () => {
      if (!hiddenLines.delete(i)) hiddenLines.add(i);
      button.setAttribute("aria-pressed", String(!hiddenLines.has(i)));
      linesPlot.draw();
    });
    legend.append(button);
  });

  whole.addEventListener("click", () => zoom(start, end));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
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
  drawAll();
  showPosition();
})();
