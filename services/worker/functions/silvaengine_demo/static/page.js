/** The demo's page: one form for each thing that silvaengine.js can do. */

import { connect } from "./silvaengine.js";

const form = (id) => document.getElementById(id);
const state = document.getElementById("state");
const advice = document.getElementById("advice");
const functions = document.getElementById("functions");

let connection;

function show(name, words) {
  state.dataset.state = name;
  state.textContent = words;
  functions.disabled = name !== "open";
}

function listen(connection) {
  let wasOpen = false;
  connection.addEventListener("open", () => {
    wasOpen = true;
    advice.hidden = true;
    show("open", "connected");
  });
  connection.addEventListener("close", ({ detail: { retryIn } }) => {
    if (retryIn === null) return;
    show("waiting", `${wasOpen ? "connection lost" : "not let in"}; next try in ${(retryIn / 1000).toFixed(1)} s`);
    advice.hidden = wasOpen;
    advice.textContent = "Does anything answer at the address, and do endpoint, area and key fit together?";
  });
  connection.addEventListener("push", showSaid);
}

function open() {
  const { url, ...who } = Object.fromEntries(new FormData(form("connect")));
  connection?.close();
  show("waiting", "connecting");
  try {
    connection = connect(url, who);
  } catch (error) {
    show("closed", "not connected");
    advice.hidden = false;
    advice.textContent = error.message;
    return;
  }
  listen(connection);
}

/** Run `work` with a form's values when it is submitted, and show the outcome. */
function onSubmit(id, work) {
  const output = form(id).querySelector("output");
  const button = form(id).querySelector("button");
  const say = (words, isBad = false) => {
    output.textContent = words;
    output.classList.toggle("bad", isBad);
  };
  form(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await work(Object.fromEntries(new FormData(form(id))), say);
    } catch (error) {
      say(error.status ? `${error.status}: ${error.message}` : error.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

form("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  open();
});

onSubmit("call", async ({ name }, say) => {
  say("…");
  const answer = await connection.call("hello", { name });
  say(answer.message);
});

onSubmit("stream", async ({ start }, say) => {
  const progress = form("stream").querySelector("progress");
  Object.assign(progress, { value: 0, max: Number(start) });
  let count = 0;
  for await (const { left } of connection.stream("countdown", { start: Number(start) })) {
    progress.value = count += 1;
    say(`${left}`);
  }
  say(`${count} items came, and none is missing`);
});

onSubmit("say", async ({ name, text }, say) => {
  const { sent } = await connection.call("say", { name, text });
  say(`sent to ${sent} of this endpoint's connections`);
});

function showSaid({ detail }) {
  if (!detail?.said) return;
  const line = document.createElement("li");
  const who = document.createElement("strong");
  who.textContent = detail.by;
  line.append(who, `: ${detail.said}`);
  document.getElementById("said").prepend(line);
}

// What follows `#` stays in the browser: the address, as `silvaengine dev` prints it.
const address = decodeURIComponent(location.hash.slice(1));
if (address) {
  form("connect").elements.url.value = address;
  open();
}
