-- The databases, and one account per service with the rights that its work needs. accounts.sh sets the @..._PASSWORD
-- variables. ALTER USER follows CREATE, so that a changed secret is taken over by the next start.
CREATE DATABASE IF NOT EXISTS telltale CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS telltale_auth CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS telltale_alerts CHARACTER SET utf8mb4;

CREATE USER IF NOT EXISTS telltale_writer, telltale_migrator, telltale_query, telltale_auth, telltale_auth_migrator,
  telltale_alerts, telltale_alerts_migrator;
EXECUTE IMMEDIATE CONCAT('ALTER USER telltale_writer IDENTIFIED BY ', QUOTE(@WRITER_DATABASE_PASSWORD));
EXECUTE IMMEDIATE CONCAT('ALTER USER telltale_migrator IDENTIFIED BY ', QUOTE(@WRITER_MIGRATION_DATABASE_PASSWORD));
EXECUTE IMMEDIATE CONCAT('ALTER USER telltale_query IDENTIFIED BY ', QUOTE(@QUERY_DATABASE_PASSWORD));
EXECUTE IMMEDIATE CONCAT('ALTER USER telltale_auth IDENTIFIED BY ', QUOTE(@AUTH_DATABASE_PASSWORD));
EXECUTE IMMEDIATE CONCAT('ALTER USER telltale_auth_migrator IDENTIFIED BY ', QUOTE(@AUTH_MIGRATION_DATABASE_PASSWORD));
EXECUTE IMMEDIATE CONCAT('ALTER USER telltale_alerts IDENTIFIED BY ', QUOTE(@ALERTS_DATABASE_PASSWORD));
EXECUTE IMMEDIATE CONCAT(
  'ALTER USER telltale_alerts_migrator IDENTIFIED BY ', QUOTE(@ALERTS_MIGRATION_DATABASE_PASSWORD));

-- Adding and dropping partitions needs ALTER, CREATE and DROP beside what the rows need.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP ON telltale.* TO telltale_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON telltale.* TO telltale_query;
GRANT SELECT, INSERT, UPDATE, DELETE ON telltale_auth.* TO telltale_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON telltale_alerts.* TO telltale_alerts;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, TRIGGER, LOCK TABLES
  ON telltale.* TO telltale_migrator;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, TRIGGER, LOCK TABLES
  ON telltale_auth.* TO telltale_auth_migrator;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, TRIGGER, LOCK TABLES
  ON telltale_alerts.* TO telltale_alerts_migrator;
