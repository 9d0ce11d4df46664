//! ingest-gateway
