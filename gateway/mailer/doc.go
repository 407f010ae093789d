// Package mailer delivers mails, which other parts of the gateway queue in the
// transactions that cause them: by SMTP to a server of the operator's, or, where none
// is named, to one within this process that keeps them for the operator (Mailbox).
package mailer
