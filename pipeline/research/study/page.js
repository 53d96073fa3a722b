"use strict";

const { study, pairs } = JSON.parse(document.getElementById("study").textContent);
const $ = (id) => document.getElementById(id);
const [first, second] = document.querySelectorAll("#pair figure");
const frames = document.querySelectorAll(".frame");
const images = document.querySelectorAll(".frame img");
const MEMORY = `study-${study}`;
const HOLD_MS = 300; // a shorter press is a click
const GAP_PX = 12;

// ---- Order and sides, derived from the participant's id.

/** FNV-1a, then the finaliser of MurmurHash3; pipeline/research/study/order.py computes the same. */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function inOrder(participant) {
  const keys = new Map(pairs.map((pair) => [pair, hash(`${participant} order ${pair.id}`)]));
  return [...pairs].sort((a, b) => keys.get(a) - keys.get(b) || (a.id < b.id ? -1 : 1));
}

/** The pair's photos as shown: [left, right]. */
function onSides(participant, pair) {
  return hash(`${participant} side ${pair.id}`) % 2 ? [pair.photos[1], pair.photos[0]] : pair.photos;
}

// ---- The answers, stored and exported in this form.

let answers = recalled() || newAnswers();
let order = inOrder(answers.participant);

function newAnswers() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const participant = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { study, participant, choices: [] };
}

/** The answers of an earlier visit, or null if there are none or they do not match the study. */
function recalled() {
  try {
    const kept = JSON.parse(localStorage.getItem(MEMORY));
    const asked = inOrder(kept.participant);
    const fits = ({ pair, left, chosen }, i) =>
      pair === asked[i].id &&
      left === onSides(kept.participant, asked[i])[0].id &&
      (chosen === null || asked[i].photos.some((photo) => photo.id === chosen));
    return /^[0-9a-f]{32}$/.test(kept.participant) && kept.study === study && kept.choices.every(fits) ? kept : null;
  } catch {
    return null;
  }
}

function remember() {
  try {
    localStorage.setItem(MEMORY, JSON.stringify(answers));
    return true;
  } catch {
    return false; // private window or full disk: the answers last as long as the page
  }
}

// ---- Three screens.

let ready = false; // both photos of the pair are on the screen

function show(screen) {
  for (const id of ["intro", "asking", "end"]) $(id).hidden = id !== screen;
  ready = false;
}

function introduce() {
  show("intro");
  $("count").textContent = counted(pairs.length);
  if (!remember()) $("kept").textContent = "This browser cannot store your answers: please finish without closing the page. Nothing is sent anywhere.";
  $("begin").focus();
}

async function ask() {
  const done = answers.choices.length;
  if (done === pairs.length) return finish();
  show("asking");
  $("progress").max = pairs.length;
  $("progress").value = done;
  $("left").textContent = `${counted(pairs.length - done)} left`;
  $("undo").disabled = done === 0;
  $("asking").focus({ preventScroll: true });
  unzoom();
  // Both appear at once, so that neither attracts attention by being first.
  $("pair").classList.add("waiting");
  onSides(answers.participant, order[done]).forEach((photo, i) => (images[i].src = photo.src));
  arrange();
  await Promise.allSettled(Array.from(images, (image) => image.decode()));
  $("pair").classList.remove("waiting");
  ready = true;
}

function finish() {
  show("end");
  $("done").textContent = counted(pairs.length);
  $("export").value = JSON.stringify(answers, null, 1);
  $("saved").textContent = "";
  $("again").disabled = true;
  $("end").focus({ preventScroll: true });
}

function counted(number) {
  return number === 1 ? "1 pair" : `${number} pairs`;
}

// ---- Choosing.

/** side: 0 left, 1 right, null for no preference. */
function choose(side) {
  if (!ready) return;
  const pair = order[answers.choices.length];
  const shown = onSides(answers.participant, pair);
  answers.choices.push({ pair: pair.id, left: shown[0].id, chosen: side === null ? null : shown[side].id });
  remember();
  ask();
}

function undo() {
  if (!answers.choices.length || !(ready || !$("end").hidden)) return;
  answers.choices.pop();
  remember();
  ask();
}

function startAgain() {
  answers = newAnswers();
  order = inOrder(answers.participant);
  introduce();
}

// ---- Photos beside or above each other, whichever fits larger; never enlarged.

let scale = 1; // CSS pixels per photo pixel

function arrange() {
  const done = answers.choices.length;
  if ($("asking").hidden || done === pairs.length) return;
  const { width, height } = order[done];
  const area = $("pair").getBoundingClientRect();
  const button = first.querySelector("button").offsetHeight + 8;
  const fit = (w, h) => Math.min(w / width, h / height, 1);
  const beside = fit((area.width - GAP_PX) / 2, area.height - button);
  const above = fit(area.width, (area.height - GAP_PX) / 2 - button);
  scale = Math.max(beside, above);
  $("pair").classList.toggle("stacked", above > beside);
  for (const frame of frames) {
    frame.style.width = `${Math.floor(width * scale)}px`;
    frame.style.height = `${Math.floor(height * scale)}px`;
  }
  unzoom();
}

// ---- Zoom: one photo pixel to one CSS pixel, or two if it is so already. Both photos move together.

let zoomed = false;
let press = null;

/** x, y: the position in the photo, 0–1. */
function zoomTo(x, y) {
  const factor = scale < 1 ? 1 / scale : 2;
  const [left, top] = [x * frames[0].offsetWidth, y * frames[0].offsetHeight].map((px) => Math.round(px * (1 - factor)));
  for (const image of images) image.style.transform = `translate(${left}px, ${top}px) scale(${factor})`;
  mark(true);
}

function unzoom() {
  for (const image of images) image.style.transform = "";
  mark(false);
}

function mark(on) {
  zoomed = on;
  $("pair").classList.toggle("zoomed", on);
  $("zoom").setAttribute("aria-pressed", on);
}

function toggleZoom() {
  if (zoomed) unzoom();
  else zoomTo(0.5, 0.5);
}

function zoomAt(event) {
  const frame = event.currentTarget.getBoundingClientRect();
  const within = (value) => Math.min(Math.max(value, 0), 1);
  zoomTo(within((event.clientX - frame.left) / frame.width), within((event.clientY - frame.top) / frame.height));
}

for (const frame of frames) {
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    press = { at: event.timeStamp, zoomed };
    frame.setPointerCapture(event.pointerId);
    zoomAt(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (zoomed && (press || event.pointerType === "mouse")) zoomAt(event);
  });
  frame.addEventListener("pointerup", (event) => {
    if (!press) return;
    // A click zooms in or out; a press zooms as long as it is held; a drag moves the view.
    const held = event.timeStamp - press.at > HOLD_MS;
    if (held !== press.zoomed) unzoom();
    press = null;
  });
  frame.addEventListener("pointercancel", () => {
    if (press && !press.zoomed) unzoom();
    press = null;
  });
  frame.addEventListener("contextmenu", (event) => event.preventDefault());
}

// ---- Saving the choices.

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([$("export").value], { type: "application/json" }));
  link.download = `choices-${study.slice(0, 8)}-${answers.participant.slice(0, 8)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  saved(`Saved as ${link.download}.`);
}

async function copy() {
  $("export").select();
  try {
    await navigator.clipboard.writeText($("export").value);
    saved("Copied.");
  } catch {
    saved("The text is selected: copy it with Ctrl+C or the browser's menu.");
  }
}

function saved(message) {
  $("saved").textContent = message;
  $("again").disabled = false;
}

// ---- Buttons and keys.

const keys = {
  ArrowLeft: () => choose(0),
  ArrowRight: () => choose(1),
  ArrowDown: () => choose(null),
  " ": () => choose(null),
  z: toggleZoom,
  Z: toggleZoom,
  Backspace: undo,
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const asking = !$("asking").hidden;
  const wanted = Object.hasOwn(keys, key) && (asking || (!$("end").hidden && key === "Backspace"));
  // A space on a focused button presses that button.
  if (!wanted || target.tagName === "TEXTAREA" || (key === " " && target.tagName === "BUTTON")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (!event.repeat) keys[key]();
});

first.querySelector("button").addEventListener("click", () => choose(0));
second.querySelector("button").addEventListener("click", () => choose(1));
for (const [id, act] of Object.entries({
  begin: ask, neither: () => choose(null), undo, zoom: toggleZoom, download, copy, back: undo, again: startAgain,
})) $(id).addEventListener("click", act);
window.addEventListener("resize", arrange);

if (answers.choices.length) ask();
else introduce();
