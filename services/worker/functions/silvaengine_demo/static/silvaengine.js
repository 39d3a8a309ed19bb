/**
 * A client of SilvaEngine's WebSocket API, for browsers. It has no dependencies: copy this file.
 *
 *     const connection = connect("wss://api.example.com/beta", { endpointId: "demo", area: "core" });
 *     const answer = await connection.call("hello", { name: "Ada" });
 *     for await (const item of connection.stream("count", { to: 10 })) console.log(item);
 *     connection.addEventListener("push", (event) => console.log(event.detail));
 *
 * The frames are those of docs/websocket.md. When the socket is lost, another one is opened after a pause.
 * Calls in progress never count as done then: a stream throws a GapError that says which items came, a call
 * throws a LostError, and a call with `once` is sent again under its id.
 */

const MESSAGE_LIMIT = 32_768; // bytes: API Gateway takes no larger frame, and a page can't split a message
const IDLE_SECONDS = 240; // API Gateway ends a socket that was idle for 600
const PONG_SECONDS = 10;
const FIRST_PAUSE = 1_000; // milliseconds, doubled after each failure
const LONGEST_PAUSE = 30_000;
const STEADY = 10_000; // milliseconds; a socket that was open that long resets the count of failures
const SENDINGS = 8; // of a call with `once`, at most
const CONFLICT = 409;

/** The server refused a call, or its function failed. `status` is HTTP's; `requestId` is in the logs. */
export class CallError extends Error {
  name = "CallError";

  constructor({ status, message, request_id: requestId, code, details }) {
    super(message);
    Object.assign(this, { status, requestId, code, details });
  }
}

/** The socket was lost before a call had its answer: whether the function ran is unknown. */
export class LostError extends Error {
  name = "LostError";
}

/** A stream is incomplete: items 0 to `next - 1` came, and item `next` is the first one missing. */
export class GapError extends LostError {
  name = "GapError";

  constructor({ id, funct, next }) {
    super(`The stream of ${funct} broke off before item ${next}`);
    Object.assign(this, { id, funct, next });
  }
}

/**
 * Connect to an endpoint, and reconnect whenever the connection is lost.
 * @param {string} url - The address of the deployment's WebSocket API.
 * @param {{endpointId: string, area: string, apiKey?: string}} who - The caller.
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
 * - `open`: a socket is open, the first or a later one;
 * - `close`: it was lost, or could not be opened; `detail.retryIn` is the milliseconds until the next try;
 * - `push`: a message came that answers no call; `detail` is its JSON value, or its text if that isn't JSON;
 * - `gap`: a stream is incomplete; `detail` is its GapError, which its loop throws too.
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
   * Call a function and return its answer; of a function that yields, the list of its items.
   * @param {string} funct - The function's name.
   * @param {object} [payload] - Its parameters.
   * @param {{once?: boolean, timeout?: number}} [options] - `once`: run it once, however often the call must
   *   be sent. `timeout`: milliseconds in which a frame must come, 60,000 by default.
   * @throws {CallError|LostError|DOMException} Refused or failed; lost; a `TimeoutError`.
   * @throws {RangeError} The payload is too large to be sent.
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
   * Call a function and yield its items as they come; an answer that is no stream is the only item.
   * Leaving the loop early drops later items.
   * @param {string} funct - The function's name.
   * @param {object} [payload] - Its parameters.
   * @param {{timeout?: number}} [options] - Milliseconds in which the next frame must come, 60,000 by default.
   * @throws {CallError|GapError|DOMException} After the items: refused or failed; incomplete; a `TimeoutError`.
   * @throws {RangeError} The payload is too large to be sent.
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

  /** Close the connection for good; calls in progress are lost. */
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
    if (size > MESSAGE_LIMIT) throw new RangeError(`A message of ${size} bytes: the limit is ${MESSAGE_LIMIT}`);
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
    const ifCurrent = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = ifCurrent(() => this.#onOpen());
    socket.onmessage = ifCurrent(({ data }) => this.#onMessage(data));
    socket.onclose = ifCurrent(() => this.#onClose());
  }

  #onOpen() {
    this.#openedAt = Date.now();
    this.#schedulePing();
    for (const reply of this.#replies.values()) this.#send(reply);
    this.dispatchEvent(new Event("open"));
  }

  /** Ping when nothing came for a while; without a pong the socket is dead, whatever its state says. */
  #schedulePing() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#socket.send("ping");
      this.#timer = setTimeout(() => this.#drop(), PONG_SECONDS * 1000);
    }, IDLE_SECONDS * 1000);
  }

  #drop(code) {
    this.#socket?.close(code);
    this.#onClose(); // a dead socket may take a minute to report its end
  }

  #onClose() {
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

  #onMessage(data) {
    this.#schedulePing();
    if (data === "pong") return;
    const frame = parse(data);
    const id = frame?.id;
    if (typeof id !== "string" || !id.startsWith(`${this.#prefix}-`)) {
      this.dispatchEvent(new CustomEvent("push", { detail: frame }));
      return;
    }
    const reply = this.#replies.get(id);
    if (!reply || reply.isOver) return; // its caller has given up
    if (isInProgress(reply, frame)) setTimeout(() => this.#send(reply), pause(reply.sendings));
    else if (!reply.take(frame)) this.#gap(reply);
  }
}

/** The frames of one call. */
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

  /** Wait for the next frame, or the end. */
  change() {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Take a frame; return false if items before it are missing. */
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

  /** Finish: no more frames are taken. */
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

/** Return whether a call that was sent again is still running from its first sending. */
function isInProgress(reply, frame) {
  return reply.once && frame.error?.status === CONFLICT && reply.sendings > 1 && reply.sendings < SENDINGS;
}

/** Return a random pause in milliseconds, so that clients that lost a server don't reconnect at once. */
function pause(failures) {
  return Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
