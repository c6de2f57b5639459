CREATE TABLE customers (
    id    int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email varchar(100) NOT NULL
);

CREATE TABLE orders (
    id          int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    customer_id int NOT NULL,
    full_name   varchar(80) NOT NULL,
    status      varchar(12),
    total       decimal(10, 2) NOT NULL,
    placed_at   datetime NOT NULL,
    KEY orders_customer_id_idx (customer_id)
);

CREATE TABLE `lines` (
    id       int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id int NOT NULL,
    product  int NOT NULL,
    quantity int NOT NULL,
    KEY lines_order_id_idx (order_id),
    CONSTRAINT lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id)
);
