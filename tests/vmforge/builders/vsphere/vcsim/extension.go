// What govmomi's simulator lacks of that which the builders ask: added to a copy of its package.
package simulator

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// PutUsbScanCodes writes each key to the file that VCSIM_KEYS names: its HID code and the modifiers held.
func (vm *VirtualMachine) PutUsbScanCodes(req *types.PutUsbScanCodes) soap.HasFault {
	body := &methods.PutUsbScanCodesBody{}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		body.Fault_ = Fault("", &types.InvalidPowerState{ExistingState: vm.Runtime.PowerState})
		return body
	}
	if file, err := os.OpenFile(os.Getenv("VCSIM_KEYS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0600); err == nil {
		for _, event := range req.Spec.KeyEvents {
			held := ""
			if m := event.Modifiers; m != nil {
				for name, down := range map[string]*bool{"shift": m.LeftShift, "ctrl": m.LeftControl, "alt": m.LeftAlt} {
					if down != nil && *down {
						held += " " + name
					}
				}
			}
			fmt.Fprintf(file, "%#x%s\n", event.UsbHidCode, held)
		}
		file.Close()
	}
	body.Res = &types.PutUsbScanCodesResponse{Returnval: int32(len(req.Spec.KeyEvents))}
	return body
}

// ExportVm leases the machine's disks.
func (vm *VirtualMachine) ExportVm(ctx *Context, req *types.ExportVm) soap.HasFault {
	lease := NewHttpNfcLease(ctx, vm.Self)
	ref := lease.Reference()
	lease.Info.Lease = ref
	disks := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	for number, device := range disks {
		info := device.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo()
		var file object.DatastorePath
		file.FromString(info.FileName)
		name := fmt.Sprintf("disk-%d.vmdk", number)
		place := path.Join(vm.findDatastore(file.Datastore).Info.GetDatastoreInfo().Url, file.Path)
		lease.files[name] = place
		_ = os.WriteFile(place, []byte(fmt.Sprintf("the disk %d", number)), 0600)
		lease.Info.DeviceUrl = append(lease.Info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key:       fmt.Sprintf("/%s/VirtualDisk:%d", vm.Self.Value, number),
			ImportKey: fmt.Sprintf("/%s/VirtualDisk:%d", vm.Name, number),
			Url:       (&url.URL{Scheme: "https", Host: "*", Path: nfcPrefix + path.Join(ref.Value, name)}).String(),
			Disk:      types.NewBool(true),
			TargetId:  name,
		})
	}
	return &methods.ExportVmBody{Res: &types.ExportVmResponse{Returnval: ref}}
}

// CreateDescriptor describes what was downloaded, as briefly as can be.
func (m *OvfManager) CreateDescriptor(req *types.CreateDescriptor) soap.HasFault {
	files := ""
	for _, file := range req.Cdp.OvfFiles {
		files += fmt.Sprintf("<File ovf:href=%q ovf:size=\"%d\"/>", file.Path, file.Size)
	}
	text := `<?xml version="1.0"?><Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>` + files +
		"</References><VirtualSystem ovf:id=" + fmt.Sprintf("%q", req.Cdp.Name) + "/></Envelope>"
	return &methods.CreateDescriptorBody{
		Res: &types.CreateDescriptorResponse{Returnval: types.OvfCreateDescriptorResult{OvfDescriptor: text}},
	}
}

// ParseDescriptor tells the networks that a descriptor names.
func (m *OvfManager) ParseDescriptor(req *types.ParseDescriptor) soap.HasFault {
	body := &methods.ParseDescriptorBody{}
	envelope, err := ovf.Unmarshal(strings.NewReader(req.OvfDescriptor))
	if err != nil {
		body.Fault_ = Fault(err.Error(), &types.InvalidArgument{InvalidProperty: "ovfDescriptor"})
		return body
	}
	result := types.OvfParseDescriptorResult{DefaultEntityName: "vm"}
	if envelope.Network != nil {
		for _, network := range envelope.Network.Networks {
			result.Network = append(result.Network, types.OvfNetworkInfo{Name: network.Name, Description: network.Name})
		}
	}
	body.Res = &types.ParseDescriptorResponse{Returnval: result}
	return body
}
