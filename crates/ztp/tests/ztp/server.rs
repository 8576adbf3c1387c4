//! A server of prepared responses, for what the real one does not send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// A response: the status line, further headers, and the body.
pub type Response = (&'static str, &'static str, String);

pub const JSON: &str = "Content-Type: application/json\r\n";

/// Serves responses in order, each on a new connection. Returns the URL, and the requests at the end.
pub fn serve(responses: Vec<Response>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move |(status, headers, body): Response| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut request).unwrap() > 0, "{request}");
        }
        let lower = request.to_lowercase();
        let length = lower.split("content-length: ").nth(1);
        let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        reader.take(length).read_to_string(&mut request).unwrap();
        let length = body.len();
        let close = "Connection: close\r\n";
        let head = format!("HTTP/1.1 {status}\r\n{close}{headers}Content-Length: {length}\r\n\r\n");
        stream.write_all((head + &body).as_bytes()).unwrap();
        request
    };
    let thread = std::thread::spawn(move || responses.into_iter().map(serve).collect());
    (url, thread)
}
