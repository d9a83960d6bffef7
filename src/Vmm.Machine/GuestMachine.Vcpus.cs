using Vmm.Devices.Chipset;
using Vmm.Host;

namespace Vmm.Machine;

/// <content>The threads of the vCPUs.</content>
public sealed partial class GuestMachine
{
    // What was said of a vCPU counts for its threads in all lives.
    private readonly Dictionary<int, int[]> _pinned = [];

    /// <summary>The vCPUs; none when the guest has ended.</summary>
    public IReadOnlyList<VcpuReport> Vcpus
    {
        get
        {
            lock (_life)
            {
                List<VcpuReport> reports = [];
                foreach (VcpuThread vcpu in _board?.Vcpus ?? [])
                {
                    if (HostThread.Use(vcpu.ThreadId) is { } use) reports.Add(new VcpuReport(vcpu.Index, vcpu.ThreadId, use, HostThread.Affinity(vcpu.ThreadId)));
                }

                return reports;
            }
        }
    }

    /// <summary>Says on which processors of the host a vCPU may run, in this life and the later ones.</summary>
    /// <exception cref="DeviceException">There is no such vCPU.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A processor's number is out of range.</exception>
    /// <exception cref="LinuxException">The host refused.</exception>
    public void PinVcpu(int index, IReadOnlyList<int> cpus)
    {
        if (index < 0 || index >= _config.Vcpus) throw new DeviceException($"there is no vCPU {index}");
        lock (_life)
        {
            if (_board is { } board) HostThread.SetAffinity(board.Vcpus[index].ThreadId, cpus);
            _pinned[index] = [.. cpus];
        }
    }

    /// <summary>Gives a vCPU a non-maskable interrupt, as the button of a server does: Linux says so, or panics where it is told to.</summary>
    /// <exception cref="DeviceException">There is no such vCPU, or the machine has ended.</exception>
    public void SendNmi(int index)
    {
        if (index < 0 || index >= _config.Vcpus) throw new DeviceException($"there is no vCPU {index}");
        lock (_life)
        {
            if (_board?.Machine is not { } machine) throw Ended();
            machine.Interrupts.Msi.Signal(NmiMessage.To((byte)index), requesterId: 0);
        }
    }

    private void PinAgain(Board board)
    {
        foreach ((int index, int[] cpus) in _pinned)
        {
            try
            {
                HostThread.SetAffinity(board.Vcpus[index].ThreadId, cpus);
            }
            catch (LinuxException e)
            {
                _host.Note($"vCPU {index} runs where it likes: {e.Message}");
            }
        }
    }
}
