package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
)

const (
	keySize   = 32
	nonceSize = 24
)

// box encrypts with one key: XAES-256-GCM (https://c2sp.org/XAES-256-GCM). That
// is AES-256-GCM under a key that is derived for each message from one half of a
// random 24-byte nonce. Plain AES-GCM with random nonces must not encrypt more
// than 2³² messages under one key (NIST SP 800-38D, 8.3), and a store would have
// to count them through crashes and copies of itself; here 2⁸⁰ are safe, and
// nothing has to be counted.
type box struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // subkey of CMAC (NIST SP 800-38B)
}

func newBox(key [keySize]byte) *box {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("seal: AES with a key of %d bytes: %v", keySize, err)) // every such key is valid
	}
	b := &box{block: block}
	block.Encrypt(b.k1[:], b.k1[:])
	var carry byte
	for i := len(b.k1) - 1; i >= 0; i-- {
		carry, b.k1[i] = b.k1[i]>>7, b.k1[i]<<1|carry
	}
	b.k1[len(b.k1)-1] ^= 0x87 & -carry
	return b
}

// aead returns the cipher for messages whose nonce begins with these 12 bytes.
func (b *box) aead(half []byte) cipher.AEAD {
	var key [keySize]byte
	for i := range 2 {
		part := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		copy(part, []byte{0, byte(i + 1), 'X', 0})
		copy(part[4:], half)
		subtle.XORBytes(part, part, b.k1[:])
		b.block.Encrypt(part, part)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("seal: AES with a derived key: %v", err))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("seal: GCM over AES: %v", err)) // fails only for other block sizes
	}
	return aead
}

// seal appends a fresh nonce and the encrypted plaintext to dst.
func (b *box) seal(dst, plaintext, additional []byte) []byte {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand ends the program instead
	dst = append(dst, nonce[:]...)
	return b.aead(nonce[:12]).Seal(dst, nonce[12:], plaintext, additional)
}

// open returns the plaintext of what seal appended, or ErrRefused.
func (b *box) open(sealed, additional []byte) ([]byte, error) {
	if len(sealed) < nonceSize {
		return nil, ErrRefused
	}
	plaintext, err := b.aead(sealed[:12]).Open(nil, sealed[12:nonceSize], sealed[nonceSize:], additional)
	if err != nil {
		return nil, ErrRefused
	}
	return plaintext, nil
}
