//! local services
