// Browsers start no workers for pages that were opened from files, and the search is one. There it runs in a
// hidden frame instead. Zensical would load such a script from a server; this one keeps the site offline.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (message) => {
        const data = structuredClone(message); // a worker and its page share nothing
        setTimeout(() => this.onmessage?.({ data }));
      };
      this.loaded = new Promise((resolve) => {
        const script = inside.document.createElement("script");
        script.src = new URL(url, location.href);
        script.onload = () => resolve(inside);
        script.onerror = (event) => this.onerror?.(event);
        inside.document.body.append(script);
      });
    }

    postMessage(message) {
      const data = structuredClone(message);
      this.loaded.then((inside) => inside.onmessage({ data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
