// Package billing is what things cost: prices that hold for a time.
//
// Amounts are exact decimals (package apd); there is no floating point here.
package billing
