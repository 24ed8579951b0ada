"use strict";
/**
 * The list of clips of an evaluation: chosen by a cell of the matrix, sorted by a column, played one by one.
 *
 * What is listed is in the fragment of the address: `#show=wrong&true=rain&predicted=wind&sort=probability&order=down`.
 *
 * @typedef {object} Clip
 * @property {number} key index of its sound
 * @property {string} path below the folder of the classes
 * @property {number} probability that of the predicted label
 *
 * Clips of classes also have `true` and `predicted` (indices of labels), `truth` (the probability of the true
 * label), `reason` (why there is no label, or "") and `others` (further labels that apply); those of a
 * regression have `value`, `predicted-value`, and `error`.
 */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const classes = data.kind === "classes";
  const audio = document.getElementById("audio");
  const readout = document.getElementById("readout");
  const title = document.getElementById("list-title");
  const count = document.getElementById("count");
  const reset = document.getElementById("reset");
  const more = document.getElementById("more");
  const body = document.querySelector("#clips tbody");
  const page = 200;
  const shows = classes ? ["wrong", "correct", "doubt", "all"] : ["all"];
  const first = classes
    ? { show: "wrong", true: null, predicted: null, sort: "probability", order: "down" }
    : { show: "all", true: null, predicted: null, sort: "error", order: "down" };
  const fields = classes
    ? ["path", "true", "predicted", "probability", "truth", "reason", "others"]
    : ["path", "value", "predicted-value"];
  const clips = data.clips.map((values, key) => {
    const clip = Object.fromEntries(fields.map((name, i) => [name, values[i]]));
    if (!classes) clip.error = clip["predicted-value"] - clip.value;
    return { key, ...clip };
  });
  const sortable = [...document.querySelectorAll("[data-sort]")].map((button) => button.dataset.sort);
  let state = { ...first };
  let listed = [];
  let rows = page;
  let playing = null;

  const clock = (seconds) => {
    const tenths = Math.round(seconds * 10);
    const minutes = Math.floor(tenths / 600);
    const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };
  const amount = (n) => `${n.toLocaleString("en")} clip${n === 1 ? "" : "s"}`;
  /** A number of a regression. */
  const short = (value) => value.toFixed(data.decimals);

  // The state and the address.

  function fromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const index = (name) => {
      const found = classes ? data.labels.indexOf(given.get(name)) : -1;
      return found < 0 ? null : found;
    };
    const one = (name, allowed) => (allowed.includes(given.get(name)) ? given.get(name) : first[name]);
    return {
      show: one("show", shows),
      true: index("true"),
      predicted: index("predicted"),
      sort: one("sort", sortable),
      order: one("order", ["up", "down"]),
    };
  }

  function change(changes) {
    const next = { ...state, ...changes };
    const parts = new URLSearchParams();
    for (const name of ["show", "true", "predicted", "sort", "order"]) {
      if (next[name] === null) continue;
      parts.set(name, name === "true" || name === "predicted" ? data.labels[next[name]] : next[name]);
    }
    location.hash = parts.toString();
  }

  function apply() {
    state = fromAddress();
    rows = page;
    listed = sorted(clips.filter(isShown));
    draw();
  }

  function isShown(clip) {
    if (!classes) return true;
    const right = clip.true === clip.predicted;
    if (state.show === "wrong" ? right : state.show === "correct" ? !right : state.show === "doubt" && !clip.reason) return false;
    return (state.true === null || clip.true === state.true) && (state.predicted === null || clip.predicted === state.predicted);
  }

  function sorted(found) {
    const sign = state.order === "up" ? 1 : -1;
    const name = state.sort;
    const value = (clip) => {
      if (name === "error") return Math.abs(clip.error);
      return classes && (name === "true" || name === "predicted") ? data.labels[clip[name]] : clip[name];
    };
    return found
      .map((clip) => [value(clip), clip])
      .sort(([a, one], [b, other]) => (a < b ? -sign : a > b ? sign : one.key - other.key))
      .map(([, clip]) => clip);
  }

  // The list.

  function draw() {
    title.textContent = heading();
    reset.hidden = state.true === null && state.predicted === null;
    count.textContent = listed.length > rows ? `${amount(listed.length)}, the first ${rows} shown` : amount(listed.length);
    more.hidden = listed.length <= rows;
    body.replaceChildren(...listed.slice(0, rows).map(rowOf));
    for (const button of document.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === state.show));
    }
    for (const button of document.querySelectorAll("[data-sort]")) {
      const own = button.dataset.sort === state.sort;
      button.parentElement.setAttribute("aria-sort", own ? (state.order === "up" ? "ascending" : "descending") : "none");
    }
    for (const button of document.querySelectorAll("[data-true], [data-predicted]")) {
      const same = (name) => (button.dataset[name] ?? null) === (state[name] === null ? null : String(state[name]));
      button.setAttribute("aria-pressed", String(same("true") && same("predicted")));
    }
    mark();
  }

  function heading() {
    const named = (name) => (state[name] === null ? null : data.labels[state[name]]);
    const what = { wrong: "Wrong clips", correct: "Correct clips", doubt: "Clips without a label at the threshold", all: "Clips" }[state.show];
    if (named("true") !== null && named("predicted") !== null) return `${what}: ${named("true")} predicted as ${named("predicted")}`;
    if (named("true") !== null) return `${what} of ${named("true")}`;
    return named("predicted") === null ? what : `${what} predicted as ${named("predicted")}`;
  }

  function element(tag, text, name) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  }

  function rowOf(clip) {
    const row = element("tr");
    row.dataset.key = clip.key;
    const sound = element("td", undefined, "sound");
    if (data.sounds[clip.key]) {
      const button = element("button", "\u25B6");
      button.type = "button";
      button.className = "play";
      button.setAttribute("aria-label", `Play ${clip.path}`);
      button.addEventListener("click", () => toggle(clip));
      sound.append(button);
    } else {
      const none = element("span", "\u2013", "none");
      none.title = "the page does not contain its sound";
      sound.append(none);
    }
    row.append(sound, element("td", clip.path, "path"), ...(classes ? classCells(clip) : valueCells(clip)));
    // Narrow pages lay rows out as grids, which takes their roles away.
    row.setAttribute("role", "row");
    for (const cell of row.cells) cell.setAttribute("role", "cell");
    return row;
  }

  function classCells(clip) {
    const wrong = clip.true !== clip.predicted;
    const predicted = element("td");
    predicted.append(element("span", data.labels[clip.predicted], wrong ? "wrong-label" : ""));
    if (clip.reason) predicted.append(element("span", `no label: ${clip.reason}`, "doubt"));
    if (clip.others) predicted.append(element("span", `also ${clip.others}`, "doubt"));
    const numbers = [element("td", clip.probability.toFixed(2), "number"), element("td", clip.truth.toFixed(2), "number wide")];
    return [element("td", data.labels[clip.true]), predicted, ...numbers];
  }

  function valueCells(clip) {
    const signed = `${clip.error > 0 ? "+" : ""}${short(clip.error)}`;
    return [short(clip.value), short(clip["predicted-value"]), signed].map((text) => element("td", text, "number"));
  }

  // The player.

  function toggle(clip) {
    if (playing === clip.key && !audio.paused) {
      audio.pause();
      return;
    }
    play(clip);
  }

  function play(clip) {
    const [mp3, start, length, duration] = data.sounds[clip.key];
    if (playing !== clip.key) audio.src = `data:audio/mpeg;base64,${mp3}`;
    playing = clip.key;
    const part = length < duration - 0.1 ? `, ${clock(start)} to ${clock(start + length)} of ${clock(duration)}` : "";
    readout.textContent = `${clip.path}${part}: ${described(clip)}`;
    audio.play();
    mark();
  }

  function described(clip) {
    if (!classes) return `${short(clip["predicted-value"])}, true ${short(clip.value)}`;
    return `true ${data.labels[clip.true]}, predicted ${data.labels[clip.predicted]} (${clip.probability.toFixed(2)})`;
  }

  /** Mark the clip that plays, in the list and in the plot. */
  function mark() {
    const on = !audio.paused;
    for (const row of body.rows) {
      const own = Number(row.dataset.key) === playing;
      row.className = own ? "now" : "";
      const button = row.querySelector(".play");
      if (button) button.textContent = own && on ? "\u23F8" : "\u25B6";
    }
    for (const point of document.querySelectorAll("[data-clip]")) {
      point.classList.toggle("now", Number(point.dataset.clip) === playing);
    }
  }

  // Clicks and keys.

  function choose(button) {
    const index = (name) => (button.dataset[name] === undefined ? null : Number(button.dataset[name]));
    const [isTrue, isPredicted] = [index("true"), index("predicted")];
    const pressed = button.getAttribute("aria-pressed") === "true";
    if (pressed) change({ true: null, predicted: null, show: first.show });
    else change({ true: isTrue, predicted: isPredicted, show: "all" });
    title.focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.getElementById("list").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }

  /** Arrow keys move among the buttons of the matrix, over cells without one. */
  function moveInMatrix(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest("td, th");
    if (!step || !cell) return;
    event.preventDefault();
    const table = cell.closest("table");
    let [row, column] = [cell.parentElement.rowIndex + step[0], cell.cellIndex + step[1]];
    while (table.rows[row]?.cells[column]) {
      const button = table.rows[row].cells[column].querySelector("button");
      if (button) {
        button.focus();
        return;
      }
      row += step[0];
      column += step[1];
    }
  }

  function moveInList(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !event.target.classList.contains("play")) return;
    event.preventDefault();
    const buttons = [...body.querySelectorAll(".play")];
    buttons[buttons.indexOf(event.target) + step]?.focus();
  }

  function onClick(event) {
    const button = event.target.closest("button, [data-clip]");
    if (!button) return;
    const { show, sort, clip } = button.dataset;
    if (show) change({ show });
    else if (sort) {
      const turned = state.order === "up" ? "down" : "up";
      const usual = ["probability", "error"].includes(sort) ? "down" : "up";
      change({ sort, order: sort === state.sort ? turned : usual });
    } else if (clip !== undefined) {
      if (data.sounds[clip]) play(clips[clip]);
      else readout.textContent = `${clips[clip].path}: ${described(clips[clip])}; the page does not contain its sound`;
    } else if (button.dataset.true !== undefined || button.dataset.predicted !== undefined) choose(button);
  }

  document.addEventListener("click", onClick);
  reset.addEventListener("click", () => change({ true: null, predicted: null, show: first.show }));
  more.addEventListener("click", () => {
    rows += page;
    draw();
  });
  document.getElementById("matrix")?.addEventListener("keydown", moveInMatrix);
  body.addEventListener("keydown", moveInList);
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, mark);
  window.addEventListener("hashchange", apply);
  apply();
  document.documentElement.dataset.ready = "true";
})();
