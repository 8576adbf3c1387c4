//! The rules of zero-touch provisioning, pure: no worker, no clock, no I/O.
