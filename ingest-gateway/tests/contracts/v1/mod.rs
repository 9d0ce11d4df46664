//! hooklog's own contract.

mod batches;
mod deliveries;
mod delivery_actions;
mod events;
mod health;
mod idempotency;
mod own_subscription;
mod replays;
mod stream;
mod subscription_actions;
mod subscription_pages;
mod subscriptions;
mod subscriptions_across_contracts;
