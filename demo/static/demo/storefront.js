// What visitors do is noted without leaving the page, and slates show at once what it changed.
// Every link and form works without this script as well.

const csrfToken = document.querySelector('meta[name="csrf-token"]').content;
const noteAddress = document.body.dataset.note;
const asScript = { "X-Requested-With": "storefront" };

function post(address, fields, options = {}) {
    return fetch(address, {
        method: "POST",
        body: new URLSearchParams(fields),
        headers: { ...asScript, "X-CSRFToken": csrfToken },
        ...options,
    });
}

async function fragment(address) {
    const answer = await fetch(address, { headers: asScript });
    if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
    return answer.text();
}

// Toast

const toast = document.querySelector("[data-toast]");
let toastTimer;

function say(text) {
    toast.textContent = text;
    toast.classList.add("toast-shown");
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => toast.classList.remove("toast-shown"), 6000);
}

function showPieces(pieces) {
    const count = document.querySelector("[data-cart-pieces]");
    count.firstElementChild.textContent = pieces;
    count.hidden = pieces === 0;
}

function showLeftOut(things) {
    const strip = document.querySelector("[data-left-out]");
    strip.querySelector("b").textContent = things;
    strip.hidden = things === 0;
}

// Slates

function reasonsIn(section) {
    return new Map(
        [...section.querySelectorAll("[data-tile]")].map((tile) => [
            tile.dataset.tile,
            tile.querySelector(".reason")?.textContent ?? "",
        ]),
    );
}

/** Ask for the slate anew; what is new in it, and which reasons changed, is marked. */
async function refresh(section) {
    const before = reasonsIn(section);
    const html = await fragment(section.dataset.slate);
    const focused = section.contains(document.activeElement)
        ? document.activeElement.closest("[data-tile]")?.dataset.tile
        : undefined;
    section.innerHTML = html.trim();
    for (const tile of section.querySelectorAll("[data-tile]")) {
        const reason = tile.querySelector(".reason");
        if (!before.has(tile.dataset.tile)) tile.classList.add("tile-fresh");
        else if (reason && before.get(tile.dataset.tile) !== reason.textContent)
            reason.classList.add("reason-fresh");
        // Whoever works by keyboard stays where they were, or is brought to the top of the page.
        if (tile.dataset.tile === focused) tile.querySelector("a").focus();
    }
    if (focused !== undefined && !section.contains(document.activeElement))
        document.getElementById("main").focus({ preventScroll: true });
}

function refreshAll() {
    return Promise.all([...document.querySelectorAll("[data-slate]")].map(refresh));
}

// Dialog

const dialog = document.getElementById("dialog");
const dialogContent = dialog.querySelector("[data-dialog-content]");

async function openDialog(link) {
    dialogContent.innerHTML = await fragment(link.href);
    dialog.showModal();
    dialog.scrollTop = 0;
}

// Events

document.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
        dialog.close();
        return;
    }
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    const opener = event.target.closest("a[data-dialog]");
    if (opener && plain) {
        event.preventDefault();
        openDialog(opener).catch(() => location.assign(opener.href));
        return;
    }
    const tile = event.target.closest("a[data-click]");
    if (tile) {
        const fields = { kind: "click", item: tile.dataset.click, decision: tile.dataset.decision };
        // `keepalive`: the page is being left.
        post(noteAddress, fields, { keepalive: true }).catch(() => {});
    }
});

document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-quiet]");
    if (!form) return;
    event.preventDefault();
    if ("busy" in form.dataset) return;
    form.dataset.busy = "";
    try {
        const answer = await post(form.action, new FormData(form));
        if (!answer.ok) throw new Error(`${form.action} answered ${answer.status}`);
        const said = await answer.json();
        if (form.hasAttribute("data-dismiss")) dialog.close();
        say(said.toast);
        showPieces(said.cart);
        showLeftOut(said.left_out);
        await refreshAll();
    } catch {
        say("That did not work. Please try again.");
    } finally {
        delete form.dataset.busy;
    }
});

const viewed = document.querySelector("[data-viewed]");
if (viewed) {
    const { viewed: item, decision } = viewed.dataset;
    post(noteAddress, { kind: "view", item, decision })
        .then((answer) => (answer.ok ? answer.json() : null))
        .then((said) => said && say(said.toast))
        .catch(() => {});
}

// A page that the browser kept while another was open shows what has changed since.
window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
});

// Search

const searched = document.querySelector("[data-searched]");
if (searched) {
    const { searched: query, decision } = searched.dataset;
    post(noteAddress, { kind: "search", query, decision }).catch(() => {});
}

// On a small screen the results come first.
const narrowing = document.querySelector(".narrowing details");
if (narrowing && matchMedia("(max-width: 760px)").matches) narrowing.open = false;

const KINDS = { query: "", category: "Category", brand: "Brand", item: "Item" };
const searchForm = document.querySelector("form[data-suggest]");
const searchInput = searchForm.querySelector("input");
const suggestionList = searchForm.querySelector("ul");
let suggestTimer;
let asked = 0;

function hideSuggestions() {
    asked += 1;
    clearTimeout(suggestTimer);
    suggestionList.hidden = true;
    searchInput.setAttribute("aria-expanded", "false");
    searchInput.removeAttribute("aria-activedescendant");
}

function choose(option) {
    if (option.dataset.address) {
        location.assign(option.dataset.address);
        return;
    }
    searchInput.value = option.firstElementChild.textContent;
    searchForm.requestSubmit();
}

function showSuggestions(suggestions) {
    suggestionList.replaceChildren(
        ...suggestions.map(({ text, kind, address }, place) => {
            const option = document.createElement("li");
            option.id = `suggestion-${place}`;
            option.setAttribute("role", "option");
            option.dataset.address = address;
            const words = document.createElement("strong");
            words.textContent = text;
            const what = document.createElement("span");
            what.textContent = KINDS[kind];
            option.append(words, what);
            return option;
        }),
    );
    suggestionList.hidden = suggestions.length === 0;
    searchInput.setAttribute("aria-expanded", String(suggestions.length > 0));
}

async function suggestFor(typed) {
    asked += 1;
    const mine = asked;
    const answer = await fetch(`${searchForm.dataset.suggest}?${new URLSearchParams({ q: typed })}`);
    const said = answer.ok ? await answer.json() : { suggestions: [] };
    // An answer to what was typed before comes too late.
    if (mine === asked) showSuggestions(said.suggestions);
}

searchInput.addEventListener("input", () => {
    clearTimeout(suggestTimer);
    const typed = searchInput.value.trim();
    if (!typed) hideSuggestions();
    else suggestTimer = setTimeout(() => suggestFor(typed).catch(hideSuggestions), 120);
});

searchInput.addEventListener("keydown", (event) => {
    const options = [...suggestionList.children];
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "Escape") hideSuggestions();
    else if (event.key === "Enter" && at >= 0 && !suggestionList.hidden) {
        event.preventDefault();
        choose(options[at]);
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length) {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : -1;
        const next = at < 0 && step < 0 ? options.length - 1 : (at + step + options.length) % options.length;
        options.forEach((option, place) => option.setAttribute("aria-selected", String(place === next)));
        searchInput.setAttribute("aria-activedescendant", options[next].id);
    }
});

// Before `blur` takes the list away.
suggestionList.addEventListener("mousedown", (event) => {
    const option = event.target.closest("li");
    if (option) {
        event.preventDefault();
        choose(option);
    }
});
searchInput.addEventListener("blur", hideSuggestions);
searchForm.addEventListener("submit", hideSuggestions);
