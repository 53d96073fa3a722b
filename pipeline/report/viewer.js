// One viewer for all photos. Pictures lie in the page as text and become images when they are looked at.
"use strict";
const viewer = document.querySelector(".viewer");
if (viewer) {
  const find = (selector) => viewer.querySelector(selector);
  const photos = JSON.parse(document.getElementById("photos").textContent);
  const thumbnails = [...document.querySelectorAll(".strip button")];
  const [stand, stage, scroll, canvas] = [".stand", ".stage", ".scroll", ".canvas"].map(find);
  const [split, handle, leftImage, rightImage] = [".split", ".handle", ".left", ".right"].map(find);
  const sides = [...viewer.querySelectorAll(".choice input")];
  const zoom = find("#zoom");
  let at = 0;
  let side = "untouched";
  let whole = false;

  const source = (variant) => document.getElementById(`photo-${at}-${variant}`).textContent;
  const label = (variant) => {
    const psnr = photos[at].psnr[variant];
    return viewer.dataset[variant.replace("_", "")] + (psnr ? ` · ${psnr}` : "");
  };

  function show(number, turn) {
    at = number;
    const photo = photos[at];
    if (!photo.variants.includes(side)) side = "untouched";
    for (const input of sides) {
      input.disabled = !photo.variants.includes(input.value);
      input.checked = input.value === side;
    }
    rightImage.src = source("enhanced");
    rightImage.alt = `${photo.name}, enhanced`;
    find(".of-right").textContent = label("enhanced");
    find(".caption b").textContent = photo.name;
    find(".caption span").textContent = photo.facts;
    find("#position").textContent = `${at + 1} of ${photos.length}`;
    thumbnails.forEach((button, index) => button.setAttribute("aria-current", String(index === at)));
    if (turn) thumbnails[at].scrollIntoView({ block: "nearest", inline: "nearest" });
    showLeft();
    fit(true);
  }

  function showLeft() {
    leftImage.src = source(side);
    leftImage.alt = `${photos[at].name}, ${viewer.dataset[side.replace("_", "")]}`;
    find(".of-left").textContent = label(side);
  }

  // A pixel of the picture is a pixel of the page, and what is too large scrolls, unless all is to be seen.
  function fit(centre) {
    const { width, height } = photos[at];
    const room = { width: stand.clientWidth };
    room.height = Math.max(260, Math.min(innerHeight * 0.78, room.width * 1.25));
    const scale = whole ? Math.min(1, room.width / width, room.height / height) : 1;
    canvas.style.width = `${width * scale}px`;
    canvas.style.height = `${height * scale}px`;
    stage.style.width = `${Math.min(width * scale, room.width)}px`;
    stage.style.height = `${Math.min(height * scale, room.height)}px`;
    const pans = scroll.scrollWidth > scroll.clientWidth + 1 || scroll.scrollHeight > scroll.clientHeight + 1;
    stage.classList.toggle("pans", pans);
    scroll.tabIndex = pans ? 0 : -1;
    find("#pannable").hidden = !pans;
    zoom.hidden = !whole && !pans;
    if (centre) {
      scroll.scrollLeft = (scroll.scrollWidth - scroll.clientWidth) / 2;
      scroll.scrollTop = (scroll.scrollHeight - scroll.clientHeight) / 2;
    }
    cut();
  }

  function cut() {
    const share = split.value / 100;
    canvas.style.setProperty("--cut", `${scroll.scrollLeft + share * stage.clientWidth}px`);
    handle.style.left = `${share * 100}%`;
    find(".of-left").style.opacity = share < 0.2 ? 0 : 1;
    find(".of-right").style.opacity = share > 0.8 ? 0 : 1;
    split.setAttribute("aria-valuetext", `${Math.round(share * 100)} % ${viewer.dataset[side.replace("_", "")]}`);
  }

  function divideAt(event) {
    const box = stage.getBoundingClientRect();
    split.value = (100 * (event.clientX - box.left)) / box.width;
    cut();
  }

  // The handle divides; elsewhere a mouse pans what is too large, and divides what is not. Fingers pan by themselves.
  function drag(element) {
    element.addEventListener("pointerdown", (event) => {
      const panned = element === scroll && stage.classList.contains("pans");
      if (event.button !== 0 || (panned && event.pointerType !== "mouse")) return;
      const from = { x: event.clientX + scroll.scrollLeft, y: event.clientY + scroll.scrollTop };
      const follow = (moved) => {
        if (!panned) return divideAt(moved);
        scroll.scrollTo(from.x - moved.clientX, from.y - moved.clientY);
      };
      element.setPointerCapture(event.pointerId);
      if (!panned) follow(event);
      element.addEventListener("pointermove", follow);
      const end = () => element.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, end, { once: true });
      if (event.pointerType === "mouse") event.preventDefault();
    });
  }
  drag(handle);
  drag(scroll);

  const step = (by) => show((at + by + photos.length) % photos.length, true);
  thumbnails.forEach((button, index) => button.addEventListener("click", () => show(index, false)));
  find("#back").addEventListener("click", () => step(-1));
  find("#next").addEventListener("click", () => step(1));
  for (const input of sides) input.addEventListener("change", () => { side = input.value; showLeft(); cut(); });
  zoom.addEventListener("click", () => {
    whole = !whole;
    zoom.setAttribute("aria-pressed", String(whole));
    fit(true);
  });
  split.addEventListener("input", cut);
  scroll.addEventListener("scroll", cut, { passive: true });
  addEventListener("resize", () => fit(false));
  show(0, false);
}
