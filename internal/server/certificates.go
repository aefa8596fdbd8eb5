package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// certificates are those of the TLS listeners. Files are looked at again, at most
// every certificateCheck, when somebody asks for a handshake.
type certificates struct {
	config *tls.Config
	files  []CertificateFiles
	log    *slog.Logger

	mu      sync.Mutex
	all     []tls.Certificate
	stamps  []fileStamp // of files, two each
	checked time.Time
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	mtime time.Time
	size  int64
}

// The files of the certificate that the server makes for itself.
const (
	selfSignedCert = "tls-cert.pem"
	selfSignedKey  = "tls-key.pem"
)

// newCertificates loads what cfg names, or makes a certificate.
func newCertificates(cfg TLS, log *slog.Logger) (*certificates, error) {
	c := &certificates{files: cfg.Certificates, log: log}
	if len(c.files) == 0 {
		if err := c.selfSigned(cfg.Dir); err != nil {
			return nil, fmt.Errorf("self-signed certificate: %w", err)
		}
	}
	if len(c.files) > 0 {
		if err := c.load(); err != nil {
			return nil, err
		}
	}
	c.checked = time.Now()
	c.config = &tls.Config{
		MinVersion:                  max(cfg.MinVersion, tls.VersionTLS12),
		GetCertificate:              c.choose,
		DynamicRecordSizingDisabled: true, // a batch is encrypted at once
	}
	if cfg.ClientCA != "" {
		text, err := os.ReadFile(cfg.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("client authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("client authorities: %s has no certificate", cfg.ClientCA)
		}
		c.config.ClientCAs = pool
		c.config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

// choose picks the certificate for a handshake: the first that fits the name asked
// for, else the first of all.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	if now := time.Now(); len(c.files) > 0 && now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if err := c.reload(); err != nil {
			c.log.Warn("certificate files are not usable, the old ones stay", "error", err)
		}
	}
	all := c.all
	c.mu.Unlock()
	for i := range all {
		if hello.SupportsCertificate(&all[i]) == nil {
			return &all[i], nil
		}
	}
	return &all[0], nil
}

// reload loads the files again if one of them has changed. The caller holds c.mu.
func (c *certificates) reload() error {
	stamps, err := c.stat()
	if err != nil {
		return err
	}
	for i := range stamps {
		if !stamps[i].mtime.Equal(c.stamps[i].mtime) || stamps[i].size != c.stamps[i].size {
			return c.load()
		}
	}
	return nil
}

func (c *certificates) stat() ([]fileStamp, error) {
	var stamps []fileStamp
	for _, f := range c.files {
		for _, name := range [...]string{f.Cert, f.Key} {
			info, err := os.Stat(name)
			if err != nil {
				return nil, err
			}
			stamps = append(stamps, fileStamp{info.ModTime(), info.Size()})
		}
	}
	return stamps, nil
}

func (c *certificates) load() error {
	stamps, err := c.stat()
	if err != nil {
		return err
	}
	var all []tls.Certificate
	for _, f := range c.files {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return fmt.Errorf("certificate %s: %w", f.Cert, err)
		}
		all = append(all, cert)
	}
	c.all, c.stamps = all, stamps
	return nil
}

// selfSigned makes the server's own certificate: in dir, on the first start, or in
// memory where dir is empty.
func (c *certificates) selfSigned(dir string) error {
	if dir == "" {
		cert, key, err := makeCertificate()
		if err != nil {
			return err
		}
		pair, err := tls.X509KeyPair(cert, key)
		c.all = []tls.Certificate{pair}
		return err
	}
	files := CertificateFiles{filepath.Join(dir, selfSignedCert), filepath.Join(dir, selfSignedKey)}
	c.files = []CertificateFiles{files}
	_, err := os.Stat(files.Cert)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cert, key, err := makeCertificate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// The key first: a certificate that is there has its key.
	if err := os.WriteFile(files.Key, key, 0o600); err != nil {
		return err
	}
	return os.WriteFile(files.Cert, cert, 0o644)
}

// makeCertificate makes a certificate for this machine, in PEM, good for ten years.
func makeCertificate() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		names = append(names, host)
	}
	now := time.Now()
	template := x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Alcove"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // so that it can be trusted as what it is
		DNSNames:              names,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return cert, key, nil
}
