//! Stands in for the unwinder in the release, which ends at a panic and carries no tables to unwind by.
//!
//! The standard library's panic message walks the stack with these functions and names each frame: a tenth of the file
//! for a walk that, without tables, ends before its first step. Here the link-time optimizer sees that it does, and
//! leaves all of it out. The message itself stays.
//!
//! The signatures are those of the Itanium C++ ABI for exceptions, as `unwind.h` declares them. A standard library that
//! calls one more of them does not link (it brings the real ones along, and each is then defined twice): add it here.

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

macro_rules! unwinder {
    ($($name:ident($($of:ty),*) -> $result:ty = $value:expr;)+) => {$(
        #[expect(unsafe_code, reason = "the names are those that the standard library calls, and no other library has them")]
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $of),*) -> $result {
            $value
        }
    )+};
}

unwinder! {
    _Unwind_Backtrace(extern "C" fn(*mut c_void, *mut c_void) -> c_int, *mut c_void) -> c_int = END_OF_STACK;
    _Unwind_Resume(*mut c_void) -> ! = std::process::abort();
    _Unwind_GetIP(*mut c_void) -> usize = 0;
    _Unwind_GetIPInfo(*mut c_void, *mut c_int) -> usize = 0;
    _Unwind_GetCFA(*mut c_void) -> usize = 0;
    _Unwind_GetRegionStart(*mut c_void) -> usize = 0;
    _Unwind_GetTextRelBase(*mut c_void) -> usize = 0;
    _Unwind_GetDataRelBase(*mut c_void) -> usize = 0;
    _Unwind_GetLanguageSpecificData(*mut c_void) -> *mut c_void = std::ptr::null_mut();
    _Unwind_FindEnclosingFunction(*mut c_void) -> *mut c_void = std::ptr::null_mut();
    _Unwind_SetGR(*mut c_void, c_int, usize) -> () = ();
    _Unwind_SetIP(*mut c_void, usize) -> () = ();
}
