// A vCenter for tests: govmomi's simulator with a datacenter of one cluster, over TLS.
//
// Prints its URL, and ends when its standard input does. What was typed goes to the file named by VCSIM_KEYS.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	certificate := flag.String("cert", "", "")
	key := flag.String("key", "", "")
	flag.Parse()
	log.SetOutput(os.Stderr)

	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	model := simulator.VPX()
	model.Host = 0
	model.ClusterHost = 2
	model.Machine = 1
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("admin", "right")}
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	fmt.Println(server.URL.Host)
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Close()
	model.Remove()
}
