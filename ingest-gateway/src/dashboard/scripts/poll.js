// Looks at the server again and again, as long as somebody looks at the page.

import { isAborted } from "./api.js";
import { refreshSeconds } from "./preferences.js";

/**
 * Runs `look(signal)` now and after every pause until `signal` is aborted. A look that fails is
 * told to `failed` and followed by the next one. Returns a function that looks at once.
 */
export function poll(look, { signal, failed, pauseSeconds = refreshSeconds }) {
  let timer = 0;
  let running = false;
  let again = false;
  const run = async () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await look(signal);
    } catch (error) {
      if (!isAborted(error) && !signal.aborted) failed(error);
    }
    running = false;
    if (signal.aborted) return;
    const pause = pauseSeconds();
    if (again) {
      again = false;
      run();
    } else if (pause > 0 && !document.hidden) {
      timer = setTimeout(run, pause * 1_000);
    }
  };
  const seen = () => {
    if (!document.hidden && pauseSeconds() > 0) run();
  };
  document.addEventListener("visibilitychange", seen);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  });
  run();
  return run;
}
