// What this browser remembers: the API key for as long as the tab lives, the rest for good.

const KEY = "hooklog.key";
const THEME = "hooklog.theme";
const REFRESH = "hooklog.refresh";

export const REFRESH_CHOICES = [2, 5, 15, 60, 0];

function read(store, name) {
  try {
    return store().getItem(name);
  } catch {
    return null;
  }
}

function write(store, name, value) {
  try {
    if (value === null || value === "") store().removeItem(name);
    else store().setItem(name, value);
  } catch {
    // A browser that stores nothing forgets; everything else goes on.
  }
}

const tab = () => sessionStorage;
const browser = () => localStorage;

export const apiKey = () => read(tab, KEY);
export const setApiKey = (key) => write(tab, KEY, key);

/** "system", "light" or "dark". */
export const theme = () => read(browser, THEME) ?? "system";

export function setTheme(name) {
  write(browser, THEME, name === "system" ? null : name);
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

/** Seconds between two looks at the server; 0 is never. */
export function refreshSeconds() {
  const stored = read(browser, REFRESH);
  const seconds = Number(stored);
  return stored !== null && REFRESH_CHOICES.includes(seconds) ? seconds : 5;
}

export const setRefreshSeconds = (seconds) => write(browser, REFRESH, String(seconds));
