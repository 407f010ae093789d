// Package backup saves an installation to a file and brings it back on an empty
// machine: the database, the keys, and what every cluster keeps in its etcd.
//
// # What is in it
//
//	files/<name>   what lies in the home itself, such as the master key
//	etcd/<cluster> a snapshot of the cluster's etcd, with etcd's digest at its end
//	postgres       pg_dump's custom format
//
// The file holds the master key beside everything that it opens. That is why it is
// encrypted for a key that the operator keeps elsewhere; package archive says how.
// Of an installation whose secrets are sealed by Vault it holds no key that opens
// them: the manifest names the Vault, whose own backups the operator makes, and a
// restored installation is started with the same --vault- flags.
// Logs, audit logs and the disks of machines are not in it: machines are made anew.
//
// # Why it is consistent
//
// The database and the etcds change while they are copied. After a restore it must
// hold that no cluster in the database lacks its data or a key that its data needs,
// and that no data is used that the database does not know.
//
// So the etcds come first and the database last. Each etcd's copy holds everything
// that was acknowledged before the backup began. A key of the secret store lives
// for as long as its cluster: a version that a copy was sealed under exists in any
// later dump that holds the cluster. (The other way round, a key that was rotated
// between the dump and the copy would be lost, and with it all Secrets.)
//
// Then the clusters of the database, as they are in the very snapshot that pg_dump
// is about to read, are compared with the copies. If one was added meanwhile, the
// snapshot is let go of, that cluster is copied, and the database is looked at
// again. What was copied but is deleted by then is not brought back: the restore
// goes by the database.
//
// Files of the home come before both: they are written once and not changed.
//
// # What a client sees afterwards
//
// The endpoint's name, authorities and keys are the old ones: old kubeconfigs
// work. Writes after the copy are lost. So that no client takes an old object for
// a new one, etcd's revisions go on far behind those that were ever given out, and
// what lies before counts as compacted: watches are told to list anew.
package backup
