// Bytes over a socket, and whatever comes back.

import net from "node:net";

/** No request may take longer, in milliseconds. */
export const BOUND = 20_000;

/** What one request gets on a connection of its own; nothing if that is still open after BOUND. */
export function exchange(port, { bytes, cut }) {
  return new Promise((resolve) => {
    const chunks = [];
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(undefined);
    }, BOUND);
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", done);
    // The runtime may close before all was sent, which the kernel reports as a reset.
    socket.on("error", done);
    socket.write(bytes, "latin1");
    if (cut) socket.end();
  });
}
