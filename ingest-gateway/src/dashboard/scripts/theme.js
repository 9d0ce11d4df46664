// Before anything is drawn, so that no page flashes in the other theme. The only classic script.
(() => {
  try {
    const theme = localStorage.getItem("hooklog.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that stores nothing follows the system.
  }
})();
