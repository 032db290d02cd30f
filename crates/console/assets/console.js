// Keeps an open page up to date. Everything here is a comfort: without it every page can be read and every
// button pressed.
//
// The server sends fragments that the page's own templates rendered. A fragment's event carries the name that
// an element bears in `data-part`; its content is compared with what is shown, and only what differs is touched,
// so that focus, selection and scrolling stay. `log` events append lines; `end` says that nothing will change.

"use strict";

const LOG_LINES_MAX = 20000;
/** A reader within so many pixels of the log's end follows it. */
const NEAR_END = 40;

/** Makes `shown`'s children like `wanted`'s, touching only what differs. */
function match(shown, wanted) {
  const news = Array.from(wanted.childNodes);
  while (shown.childNodes.length > news.length) shown.lastChild.remove();
  news.forEach((fresh, index) => {
    const old = shown.childNodes[index];
    if (!old) shown.append(fresh);
    else if (!old.isEqualNode(fresh)) renew(old, fresh);
  });
}

function renew(old, fresh) {
  const alike = old.nodeType === Node.ELEMENT_NODE && old.nodeName === fresh.nodeName && old.id === fresh.id;
  if (!alike) {
    old.replaceWith(fresh);
    return;
  }
  for (const { name } of Array.from(old.attributes)) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of Array.from(fresh.attributes)) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  match(old, fresh);
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function isAtEnd(log) {
  return log.scrollTop + log.clientHeight >= log.scrollHeight - NEAR_END;
}

/** Shows a line that somebody pointed at, without loading the page again, and leaves its address to be copied. */
function pointAtLines(log) {
  log.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    for (const line of log.querySelectorAll("[aria-current]")) line.removeAttribute("aria-current");
    link.parentElement.setAttribute("aria-current", "true");
  });
}

/** A button that leads a reader back to the end of a log that grows. */
function offerFollowing(log) {
  const button = document.getElementById("follow");
  const update = () => {
    button.hidden = isAtEnd(log);
  };
  button.addEventListener("click", () => {
    log.scrollTop = log.scrollHeight;
    update();
  });
  log.addEventListener("scroll", update, { passive: true });
  update();
}

/** Appends lines and stays at the end if the reader was there. */
function appendLog(log, html) {
  const following = isAtEnd(log);
  log.append(parse(html));
  while (log.childElementCount > LOG_LINES_MAX) log.firstElementChild.remove();
  if (following) log.scrollTop = log.scrollHeight;
}

function start(main) {
  const pulse = document.getElementById("pulse");
  const parts = Array.from(document.querySelectorAll("[data-part]"));
  const log = document.getElementById("log");
  // A page of lines from the middle of a log has no place to go on from.
  let place = log ? log.dataset.place : null;
  let source = null;

  const say = (open, words) => {
    pulse.hidden = false;
    pulse.dataset.open = open ? "yes" : "no";
    pulse.textContent = words;
  };

  const close = () => {
    if (source) source.close();
    source = null;
  };

  const open = () => {
    if (source) return;
    const address = new URL(main.dataset.live, location.href);
    if (place) address.searchParams.set("place", place);
    source = new EventSource(address);
    source.onopen = () => say(true, "live");
    source.onerror = () => say(false, "reconnecting");
    for (const element of parts) {
      source.addEventListener(element.dataset.part, (event) => match(element, parse(event.data)));
    }
    if (place) {
      source.addEventListener("log", (event) => {
        place = event.lastEventId;
        appendLog(log, event.data);
      });
    }
    source.addEventListener("end", () => {
      close();
      main.removeAttribute("data-live");
      say(true, "complete");
    });
  };

  // A page that nobody looks at needs no connection; a browser has only a few for each server.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (main.dataset.live) open();
  });
  addEventListener("pagehide", close);
  if (place) offerFollowing(log);
  if (!document.hidden) open();
}

const log = document.getElementById("log");
if (log) {
  pointAtLines(log);
  if (log.dataset.place && !location.hash) log.scrollTop = log.scrollHeight;
}
const main = document.querySelector("main[data-live]");
if (main) start(main);
