/**
 * A client of SilvaEngine's WebSocket API, for browsers. It needs nothing else: copy this file.
 *
 *     const connection = connect("wss://api.example.com/beta", { endpointId: "demo", area: "core" });
 *     const answer = await connection.call("hello", { name: "Ada" });
 *     for await (const item of connection.stream("count", { to: 10 })) console.log(item);
 *     connection.addEventListener("push", (event) => console.log(event.detail));
 *
 * The frames are those of docs/websocket.md. When the socket is lost, another one is opened after a pause.
 * What was under way then is never taken for done: a stream throws a GapError that says which items came, a
 * call throws a LostError, and a call with `once` is sent again under its id.
 */

const MESSAGE_LIMIT = 131_072; // bytes; API Gateway takes no more
const IDLE_SECONDS = 240; // API Gateway ends a socket that was idle for 600
const PONG_SECONDS = 10;
const FIRST_PAUSE = 1_000; // milliseconds, doubled after each failure
const LONGEST_PAUSE = 30_000;
const STEADY = 10_000; // a socket that was open so long has ended the row of failures
const SENDINGS = 8; // of a call with `once`, at most
const CONFLICT = 409;

/** The server refused a call, or its function failed. `status` is HTTP's; `requestId` is in the logs. */
export class CallError extends Error {
  name = "CallError";

  constructor({ status, message, request_id: requestId }) {
    super(message);
    Object.assign(this, { status, requestId });
  }
}

/** The socket was lost before a call had its answer: nobody knows whether the function ran. */
export class LostError extends Error {
  name = "LostError";
}

/** A stream is not whole: items 0 to `next - 1` came, and what is missing begins with item `next`. */
export class GapError extends LostError {
  name = "GapError";

  constructor({ id, funct, next }) {
    super(`The stream of ${funct} broke off before item ${next}`);
    Object.assign(this, { id, funct, next });
  }
}

/**
 * Connect to an endpoint, and again whenever the connection is lost.
 * @param {string} url - Where the deployment's WebSocket API is.
 * @param {{endpointId: string, area: string, apiKey?: string}} who - As whom.
 * @returns {Connection}
 */
export function connect(url, { endpointId, area, apiKey }) {
  const address = new URL(url);
  address.searchParams.set("endpointId", endpointId);
  address.searchParams.set("area", area);
  if (apiKey) address.searchParams.set("x-api-key", apiKey);
  return new Connection(address);
}

/**
 * A connection that outlives its sockets. It fires:
 * - `open`: a socket is open, the first or another one;
 * - `close`: it is lost, or could not be opened; `detail.retryIn` are the milliseconds until the next try;
 * - `push`: something came that answers no call; `detail` is its JSON value, or text that is no JSON;
 * - `gap`: a stream is not whole; `detail` is its GapError, which its loop throws too.
 */
export class Connection extends EventTarget {
  #address;
  #socket;
  #failures = 0;
  #openedAt = Infinity;
  #timer; // until the next try, ping or pong
  #isClosed = false;
  #prefix = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join("");
  #count = 0;
  #replies = new Map(); // by id

  constructor(address) {
    super();
    this.#address = address;
    this.#open();
  }

  /** Whether a socket is open. */
  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /**
   * Call a function and give its answer; of a function that yields, the list of its items.
   * @param {string} funct - The function's name.
   * @param {object} [payload] - Its parameters.
   * @param {{once?: boolean, timeout?: number}} [options] - `once`: run it once, however often the call must
   *   be sent. `timeout`: milliseconds in which something must come, 60,000 unless told.
   * @throws {CallError|LostError|DOMException} Refused or failed; lost; a `TimeoutError`.
   */
  async call(funct, payload, { once = false, timeout } = {}) {
    const reply = this.#begin({ funct, payload, ...(once && { once }) }, { timeout });
    try {
      while (!reply.isOver) await reply.change();
      if (reply.error) throw reply.error;
      return reply.isStream ? reply.items : reply.items[0];
    } finally {
      this.#end(reply);
    }
  }

  /**
   * Call a function and give its items as they come; an answer that is none of a stream is the only item.
   * Leaving the loop early drops what still comes.
   * @param {string} funct - The function's name.
   * @param {object} [payload] - Its parameters.
   * @param {{timeout?: number}} [options] - Milliseconds in which the next frame must come, 60,000 unless told.
   * @throws {CallError|GapError|DOMException} After the items: refused or failed; not whole; a `TimeoutError`.
   */
  async *stream(funct, payload, { timeout } = {}) {
    const reply = this.#begin({ funct, payload }, { timeout, mayGap: true });
    try {
      while (true) {
        while (reply.items.length) yield reply.items.shift();
        if (reply.error) throw reply.error;
        if (reply.isOver) return;
        await reply.change();
      }
    } finally {
      this.#end(reply);
    }
  }

  /** Close the connection for good; what is under way is lost. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop(1000);
  }

  #begin(message, { timeout = 60_000, mayGap = false }) {
    if (this.#isClosed) throw new LostError("The connection was closed");
    const id = `${this.#prefix}-${++this.#count}`;
    const text = JSON.stringify({ id, ...message });
    const size = new TextEncoder().encode(text).length;
    if (size > MESSAGE_LIMIT) throw new RangeError(`A message of ${size} bytes: ${MESSAGE_LIMIT} is the most`);
    const reply = new Reply({ id, funct: message.funct, text, once: message.once, mayGap, timeout });
    this.#replies.set(id, reply);
    if (this.isOpen) this.#send(reply);
    return reply;
  }

  #end(reply) {
    clearTimeout(reply.timer);
    this.#replies.delete(reply.id);
  }

  #send(reply) {
    if (reply.isOver || !this.isOpen) return;
    reply.sendings += 1;
    this.#socket.send(reply.text);
  }

  #open() {
    const socket = (this.#socket = new WebSocket(this.#address));
    const ours = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = ours(() => this.#opened());
    socket.onmessage = ours(({ data }) => this.#received(data));
    socket.onclose = ours(() => this.#lost());
  }

  #opened() {
    this.#openedAt = Date.now();
    this.#rest();
    for (const reply of this.#replies.values()) this.#send(reply);
    this.dispatchEvent(new Event("open"));
  }

  /** Ping when nothing came for a while; without a pong the socket is dead, whatever its state says. */
  #rest() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#socket.send("ping");
      this.#timer = setTimeout(() => this.#drop(), PONG_SECONDS * 1000);
    }, IDLE_SECONDS * 1000);
  }

  #drop(code) {
    this.#socket?.close(code);
    this.#lost(); // a dead socket's own word of its end may take a minute
  }

  #lost() {
    this.#socket = null;
    clearTimeout(this.#timer);
    if (Date.now() - this.#openedAt > STEADY) this.#failures = 0;
    this.#openedAt = Infinity;
    for (const reply of this.#replies.values()) this.#breakOff(reply);
    const retryIn = this.#isClosed ? null : pause(this.#failures++);
    if (retryIn !== null) this.#timer = setTimeout(() => this.#open(), retryIn);
    this.dispatchEvent(new CustomEvent("close", { detail: { retryIn } }));
  }

  #breakOff(reply) {
    const isSentLater = !this.#isClosed && (reply.once || !reply.sendings);
    if (reply.isOver || isSentLater) return;
    if (reply.mayGap) this.#gap(reply);
    else reply.end(new LostError(`The connection was lost before ${reply.funct} had its answer`));
  }

  #gap(reply) {
    reply.end(new GapError(reply));
    this.dispatchEvent(new CustomEvent("gap", { detail: reply.error }));
  }

  #received(data) {
    this.#rest();
    if (data === "pong") return;
    const frame = parsed(data);
    const id = frame?.id;
    if (typeof id !== "string" || !id.startsWith(`${this.#prefix}-`)) {
      this.dispatchEvent(new CustomEvent("push", { detail: frame }));
      return;
    }
    const reply = this.#replies.get(id);
    if (!reply || reply.isOver) return; // nobody waits for it any more
    if (isUnderWay(reply, frame)) setTimeout(() => this.#send(reply), pause(reply.sendings));
    else if (!reply.take(frame)) this.#gap(reply);
  }
}

/** What has come for one call. */
class Reply {
  items = [];
  next = 0; // the number of the next item of a stream
  isStream = false;
  isOver = false;
  sendings = 0;
  error = null;
  timer;
  #wake = () => {};

  constructor({ id, funct, text, once, mayGap, timeout }) {
    Object.assign(this, { id, funct, text, once, mayGap, timeout });
    this.#wait();
  }

  /** Wait until something else has come. */
  change() {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Take a frame; false means that items before it are missing. */
  take(frame) {
    this.#wait();
    if (!("seq" in frame)) {
      if (!frame.error) this.items.push(frame.data);
      this.end(frame.error && new CallError(frame.error));
      return true;
    }
    this.isStream = true;
    if (frame.seq > this.next) return false;
    const items = frame.items ?? ("data" in frame ? [frame.data] : []);
    this.items.push(...items.slice(this.next - frame.seq));
    this.next = Math.max(this.next, frame.seq + items.length);
    if (frame.done || frame.error) this.end(frame.error && new CallError(frame.error));
    this.#wake();
    return true;
  }

  /** No more comes. */
  end(error = null) {
    clearTimeout(this.timer);
    this.isOver = true;
    this.error = error;
    this.#wake();
  }

  #wait() {
    clearTimeout(this.timer);
    const late = () => this.end(new DOMException(`${this.funct} did not answer in time`, "TimeoutError"));
    this.timer = setTimeout(late, this.timeout);
  }
}

/** Tell whether a call that was sent again met its first sending. */
function isUnderWay(reply, frame) {
  return reply.once && frame.error?.status === CONFLICT && reply.sendings > 1 && reply.sendings < SENDINGS;
}

/** Give a pause of random length, in milliseconds, so that clients who lost one server don't meet again. */
function pause(failures) {
  return Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
