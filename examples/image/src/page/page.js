"use strict";
// Uploads pictures, asks for the views of their workflows until they end, and shows what they show.
// What comes from others is only ever set as text.

const ASK_AFTER_MS = 400;
const ASK_AFTER_FAILURE_MS = 3000;
const ASK_AFTER_AT_MOST_MS = 10000;
const ASK_FOR_MS = 15 * 60 * 1000;
const BYTES_MAX = 4_000_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A card for an upload; `say` writes its status. */
function card(name) {
  const article = document.getElementById("upload").content.cloneNode(true).firstElementChild;
  article.querySelector("h2").textContent = name;
  document.getElementById("uploads").prepend(article);
  const say = (status, text) => {
    article.dataset.status = status;
    const line = article.querySelector(".status");
    if (line.textContent !== text) line.textContent = text;
  };
  return { article, say };
}

/** The sentence of a refusal. */
async function reason(response) {
  try {
    const problem = await response.json();
    return problem.detail ?? problem.title;
  } catch {
    return `The server answers ${response.status}`;
  }
}

async function upload(file) {
  const { article, say } = card(file.name);
  if (file.size > BYTES_MAX) return say("failed", "This file is too large: 4 MB are the most.");
  say("uploading", "Uploading");
  try {
    const path = `uploads/${encodeURIComponent(file.name)}`;
    const response = await fetch(path, { method: "PUT", body: file });
    if (!response.ok) return say("failed", await reason(response));
    const { id } = await response.json();
    remember(id);
    await watch(id, article, say);
  } catch {
    say("failed", "The upload did not reach the server. Try again.");
  }
}

/** Polls the view of an upload's workflow until that has ended, ever more rarely, and for a while. */
async function watch(id, article, say) {
  say("waiting", "Uploaded");
  const until = Date.now() + ASK_FOR_MS;
  let wait = ASK_AFTER_MS;
  while (Date.now() < until) {
    wait = Math.min(wait * 1.1, ASK_AFTER_AT_MOST_MS);
    try {
      // The browser asks with the ETag it knows, and is told in a few bytes that nothing is new.
      const response = await fetch(`executions/${encodeURIComponent(id)}/view`, { cache: "no-cache" });
      if (response.status === 200) {
        const view = await response.json();
        if (view.status === "complete") return show(view, article, say);
        if (view.status === "failed") return say("failed", sentence(view.reason));
        say("processing", "Making renditions");
      } else if (response.status !== 204 && response.status !== 404) {
        // Its event may still be on its way; anything else is worth saying.
        say("waiting", await reason(response));
        wait = Math.max(wait, ASK_AFTER_FAILURE_MS);
      }
    } catch {
      say("waiting", "The server does not answer. Trying again");
      wait = Math.max(wait, ASK_AFTER_FAILURE_MS);
    }
    await pause(wait);
  }
  say("waiting", "This takes long. It goes on without this page: reload it to look again");
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const size = ({ width, height }) => `${width} × ${height}`;

const bytes = (count) => (count < 1000 ? `${count} bytes` : `${Math.round(count / 1000)} kB`);

function show(view, article, say) {
  const name = article.querySelector("h2").textContent;
  const figures = view.renditions.map((rendition) => {
    const figure = document.getElementById("rendition").content.cloneNode(true).firstElementChild;
    const url = rendition.key.split("/").map(encodeURIComponent).join("/");
    const image = figure.querySelector("img");
    image.width = rendition.dimensions.width;
    image.height = rendition.dimensions.height;
    image.alt = `${name}, ${rendition.size}`;
    image.src = url;
    figure.querySelector("a").href = url;
    figure.querySelector("b").textContent = rendition.size;
    const caption = `${size(rendition.dimensions)}, ${bytes(rendition.bytes)}`;
    figure.querySelector("span").textContent = caption;
    return figure;
  });
  article.querySelector(".renditions").replaceChildren(...figures);
  say("complete", `Complete (${size(view.original)} pixels)`);
}

/** The page's address has the uploads of this visit, so that a reload shows them again. */
function known() {
  try {
    return location.hash.slice(1).split(",").filter(Boolean).map(decodeURIComponent);
  } catch {
    return []; // an address that was cut
  }
}

function remember(id) {
  const ids = [...known(), id].slice(-10);
  history.replaceState(null, "", `#${ids.map(encodeURIComponent).join(",")}`);
}

for (const id of known()) {
  const uuid = /^[0-9a-f-]{36}-/;
  const { article, say } = card(id.replace(uuid, ""));
  watch(id, article, say);
}

const input = document.getElementById("file");
const drop = document.getElementById("drop");
input.addEventListener("change", () => {
  for (const file of input.files) upload(file);
  input.value = "";
});
for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  drop.addEventListener(event, (dragged) => {
    dragged.preventDefault();
    drop.classList.toggle("over", over);
    if (event === "drop") for (const file of dragged.dataTransfer.files) upload(file);
  });
}
