-- A part of the shop as MariaDB has it: who buys, and what was ordered. Filled from data_profiles/orders.toml.

CREATE TABLE customers (
    id          bigint AUTO_INCREMENT PRIMARY KEY,
    email       varchar(254) NOT NULL,
    full_name   varchar(200) NOT NULL,
    segment     enum('retail', 'business', 'wholesale') NOT NULL DEFAULT 'retail',
    created_at  datetime(6) NOT NULL DEFAULT current_timestamp(6),
    UNIQUE KEY customers_email_key (email)
) COMMENT 'Everyone who ever had an account; closed accounts stay.';

CREATE TABLE orders (
    id          bigint AUTO_INCREMENT PRIMARY KEY,
    customer_id bigint NOT NULL,
    status      enum('pending', 'paid', 'shipped', 'delivered', 'cancelled') NOT NULL DEFAULT 'pending',
    total_cents bigint NOT NULL CHECK (total_cents >= 0),
    channel     varchar(40),
    note        text,
    created_at  datetime(6) NOT NULL DEFAULT current_timestamp(6),
    CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id),
    KEY orders_created_at_idx (created_at)
) COMMENT 'One row a checkout; the checkout page and the warehouse read it.';

CREATE VIEW open_orders AS
    SELECT o.id, o.customer_id, c.full_name, o.status, o.total_cents, o.created_at
    FROM orders o
    JOIN customers c ON c.id = o.customer_id
    WHERE o.status IN ('pending', 'paid');
