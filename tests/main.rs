//! The built program, tried from outside.
