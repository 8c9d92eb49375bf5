// Holds a file that a person chose, shows its beginning to the page, and sends it when the page says so.
// The file never passes through the page: the browser streams it from disk to a route of this very server.

const HEAD_BYTES = 64 * 1024;
const held = new WeakMap(); // by element: Streamlit runs the function below again on each rerun

function sizeText(bytes) {
  let [size, unit] = [bytes, "B"];
  for (const larger of ["kB", "MB", "GB"]) if (size >= 1000) [size, unit] = [size / 1000, larger];
  return `${size.toFixed(unit === "B" || size >= 100 ? 0 : 1)} ${unit}`;
}

async function headOf(file) {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

function problemOf(request) {
  try {
    const body = JSON.parse(request.responseText);
    return { title: body.title, detail: body.detail, status: request.status, request_id: body.request_id, errors: body.errors };
  } catch {
    return { title: "The file was not taken", detail: `The server answered ${request.status}.`, status: request.status };
  }
}

function rateText(sent, total, seconds) {
  const rate = seconds > 0.2 ? sent / seconds : 0;
  const parts = [`${sizeText(sent)} of ${sizeText(total)} sent`];
  if (rate) parts.push(`${sizeText(rate)}/s`);
  if (rate && sent < total) parts.push(`${Math.max(1, Math.round((total - sent) / rate))} s left`);
  return parts.join(" · ");
}

function create(root) {
  const it = { file: null, once: null, sending: null, sent: null };
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const leave = (event) => event.preventDefault();

  async function choose(file) {
    if (!file || it.sending) return;
    it.file = file;
    // At once with the file: until the page knows of it, what it says is about the one before.
    const once = (it.once = `${file.name}-${file.size}-${file.lastModified}-${Date.now()}`);
    part("name").textContent = `${file.name} (${sizeText(file.size)})`;
    const head = await headOf(file);
    if (it.once === once) it.setStateValue("chosen", { name: file.name, size: file.size, head, once });
  }

  function finish(result) {
    it.sending = null;
    removeEventListener("beforeunload", leave);
    show();
    it.setTriggerValue("finished", result);
  }

  function send({ once, file, address }) {
    if (it.sent === once || !it.file || it.once !== file) return;
    it.sent = once;
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", it.file, it.file.name);
    const began = performance.now();
    it.sending = request;
    addEventListener("beforeunload", leave);
    request.upload.onprogress = ({ loaded, total }) => {
      part("bar").value = loaded / total;
      const taken = loaded === total;
      part("rate").textContent = taken
        ? "All of it is sent. The server takes a first look."
        : rateText(loaded, total, (performance.now() - began) / 1000);
    };
    request.onload = () =>
      finish(request.status < 300 ? { once, id: String(JSON.parse(request.responseText).id) } : { once, problem: problemOf(request) });
    request.onerror = () =>
      finish({ once, problem: { title: "The connection was lost", detail: "Nothing was imported. Send the file again.", status: 0 } });
    request.onabort = () => finish({ once, cancelled: true });
    request.open("POST", address);
    request.send(body);
    show();
  }

  function show() {
    part("drop").hidden = Boolean(it.sending);
    part("progress").hidden = !it.sending;
    if (it.sending) {
      part("bar").value = 0;
      part("rate").textContent = `Sending ${it.file.name}`;
    }
  }

  const drop = part("drop");
  const input = part("input");
  input.onchange = () => choose(input.files[0]);
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    choose(event.dataTransfer.files[0]);
  });
  part("cancel").onclick = () => it.sending?.abort();

  it.forget = () => {
    it.file = it.once = null;
    input.value = "";
    part("name").textContent = "";
  };
  it.send = send;
  return it;
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let it = held.get(parentElement);
  if (!it) held.set(parentElement, (it = create(parentElement)));
  it.setStateValue = setStateValue;
  it.setTriggerValue = setTriggerValue;
  if (data.forget && it.forgot !== data.forget) {
    it.forgot = data.forget;
    it.forget();
  }
  if (data.send) it.send(data.send);
  return () => it.sending?.abort();
}
