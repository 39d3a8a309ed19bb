// What the pages do beyond HTML: the theme, one's own time zone, charts and live parts.
"use strict";

const root = document.documentElement;
const charts = new Set();
const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((each) => [each, 2 * each, 5 * each]); // steps of counts
const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

root.dataset.theme = localStorage.getItem("theme") ?? "";

document.addEventListener("DOMContentLoaded", () => {
    start(document);
    for (const part of document.querySelectorAll("[data-live]")) follow(part);
});
// What a search leaves open isn't part of its address.
document.addEventListener("formdata", ({ target, formData }) => {
    if (target.method === "get") for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
document.addEventListener("htmx:load", ({ target }) => start(target));
for (const failed of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(failed, ({ target }) => target.href && location.assign(target.href));

function start(part) {
    const all = (selector) => [...(part.matches?.(selector) ? [part] : []), ...part.querySelectorAll(selector)];
    for (const time of all("time[datetime]:not([title])")) {
        time.title = time.dateTime;
        const date = new Date(time.dateTime);
        const isToday = date.toDateString() === new Date().toDateString();
        time.textContent = (isToday ? timeOfDay : moment).format(date);
    }
    for (const button of all("[data-theme-switch]")) {
        button.hidden = false;
        button.onclick = switchTheme;
    }
    for (const figure of all("[data-chart]:not(:has(.uplot))")) draw(figure);
}

function switchTheme() {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    for (const chart of charts) chart.redraw();
}

/** Puts what is new first, up to data-live-most elements, or with data-live-replace in the place of what is there. */
function follow(part) {
    const { live, liveMost, liveReplace } = part.dataset;
    const [trouble, gone] = ["failure", "quiet"].map((name) => Object.assign(document.createElement("p"), { className: name }));
    trouble.setAttribute("role", "status");
    let count = 0, source, last = "";
    const say = (text) => {
        trouble.textContent = text;
        if (text) part.before(trouble);
        else trouble.remove();
    };
    const show = (html) => {
        const added = document.createElement("template");
        added.innerHTML = html;
        const news = [...added.content.children];
        if (liveReplace === undefined) add(news.filter(({ id }) => !document.getElementById(id)));
        else replace(part, news);
        news.forEach(start);
    };
    const add = (news) => { // after a lost connection lines come again: those are left out
        part.prepend(...news);
        const old = [...part.children].slice(liveMost);
        forget(old);
        count += old.length;
        gone.textContent = `${count.toLocaleString()} older lines were removed from this page: Pause shows them all.`;
        if (count) part.after(gone);
    };
    const listen = () => {
        source?.close(); // a browser has six connections to a host, for all of its windows
        if (document.hidden) return;
        const address = new URL(live, location);
        if (last) address.searchParams.set("last-event-id", last);
        source = new EventSource(address);
        source.onopen = () => say("");
        source.onerror = () => say("The console doesn't respond; retrying. If it was stopped, start it again.");
        source.addEventListener("failure", ({ data }) => say(data));
        source.onmessage = ({ data, lastEventId }) => {
            last = lastEventId;
            say("");
            if (data) show(data);
        };
        source.addEventListener("nothing", source.onmessage);
    };
    document.addEventListener("visibilitychange", listen);
    listen();
}

/** Puts elements in the place of what is there; charts that both have go on, and the focus stays. */
function replace(part, news) {
    const old = [...part.children];
    const focused = part.contains(document.activeElement) && document.activeElement.id;
    part.append(...news);
    for (const chart of charts) {
        const figure = chart.root.parentElement;
        const next = figure.id && news.map((each) => each.querySelector(`[id="${figure.id}"]`)).find(Boolean);
        if (!next || !part.contains(figure)) continue;
        figure.dataset.chart = next.dataset.chart;
        next.replaceWith(figure);
        chart.setData(dataOf(figure));
    }
    forget(old);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function forget(elements) {
    for (const each of [...elements]) {
        for (const chart of charts) {
            if (!each.contains(chart.root)) continue;
            chart.destroy();
            charts.delete(chart);
        }
        each.remove();
    }
}

const dataOf = (figure) => {
    const { times, series } = JSON.parse(figure.dataset.chart);
    return [times, ...Object.values(series)];
};

/** Draws {"times": [epoch seconds], "series": {"name": [numbers or null]}, "unit": "ms"} of data-chart. */
function draw(figure) {
    const { series, unit = "" } = JSON.parse(figure.dataset.chart);
    const probe = figure.appendChild(document.createElement("i"));
    const colour = (name) => () => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color;
    };
    const times = (_, all) => all.map((each) => (all.at(-1) - all[0] < 86400 ? clock : day).format(each * 1000));
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const rounded = (value) => value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
    const text = (value) => (value === null ? "–" : `${rounded(value)}${unit && ` ${unit}`}`);
    const size = () => ({ width: figure.clientWidth, height: 150 });
    const options = {
        ...size(), padding: [8, 28, 0, 0],
        cursor: { drag: { x: false }, sync: { key: "time" }, points: { size: 6 } },
        scales: { y: { range: (_, least, most) => [0, Math.max(most, 1) * 1.1] } },
        axes: [{ ...axis, values: times, size: 30, space: 80 }, { ...axis, ...(unit ? {} : { incrs: WHOLE }), size: 64, values: (_, all) => all.map(text) }],
        series: [
            {},
            ...Object.keys(series).map((label, at) => ({
                label,
                stroke: colour(`series-${at + 1}`),
                width: 1.5,
                spanGaps: true,
                points: { size: 4, show: ({ data }, line) => data[line].filter((each) => each !== null).length < 10 },
                value: ({ data }, value, line, at) => text((at === null ? data[line].at(-1) : value) ?? null),
            })),
        ],
    };
    const chart = new uPlot(options, dataOf(figure), figure);
    charts.add(chart);
    new ResizeObserver(() => chart.setSize(size())).observe(figure);
}
