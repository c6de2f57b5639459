-- A part of the shop, with its rows, as MariaDB and MySQL have it: who buys, and what was ordered.

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

SET SESSION /*M! max_recursive_iterations = 1000000 */ /*!80000 cte_max_recursion_depth = 1000000 */;

INSERT INTO customers (email, full_name, segment, created_at)
    WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < 5000)
    SELECT concat('c', seq, '@example.org'), concat('Customer ', seq), 1 + crc32(seq) % 3,
           '2020-01-01' + INTERVAL seq HOUR
    FROM numbers;

INSERT INTO orders (customer_id, status, total_cents, channel, note, created_at)
    WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < 250000)
    SELECT 1 + crc32(seq) % 5000, least(5, 1 + crc32(concat('s', seq)) % 9), crc32(concat('t', seq)) % 100000,
           elt(1 + seq % 3, 'web', 'app', NULL), if(seq % 4 = 0, repeat('leave it at the door ', seq % 12), NULL),
           '2021-01-01' + INTERVAL seq MINUTE
    FROM numbers;
