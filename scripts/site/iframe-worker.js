// A page read from a folder (file://) may start no Worker, and the search runs in one: here it runs in a hidden frame. The
// theme would fetch such a script from a third party; the name of this file tells its offline plugin that there is one.
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", {data}));
      const script = frame.contentDocument.createElement("script");
      this.ready = new Promise(done => script.addEventListener("load", done));
      script.src = url;
      frame.contentDocument.body.append(script);
      this.postMessage = data => this.ready.then(() => inside.dispatchEvent(new MessageEvent("message", {data})));
    }
  };
