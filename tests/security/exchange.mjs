// Sends bytes over a socket, and returns the response.

import net from "node:net";

/** The timeout of a request, in milliseconds. */
export const BOUND = 20_000;

/** The response to one request on a new connection; undefined if the connection is still open after BOUND. */
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
    // The runtime may close the connection before it has received all bytes, which the kernel reports as a reset.
    socket.on("error", done);
    socket.write(bytes, "latin1");
    if (cut) socket.end();
  });
}
