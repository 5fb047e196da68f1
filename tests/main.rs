//! The built program, tried from outside.

mod jenkins;
