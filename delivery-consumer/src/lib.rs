//! delivery-consumer
