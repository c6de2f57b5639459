ALTER TABLE orders MODIFY channel varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
