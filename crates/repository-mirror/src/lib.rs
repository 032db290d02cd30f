//! repository-mirror
