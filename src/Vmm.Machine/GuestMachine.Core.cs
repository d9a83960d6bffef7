using Vmm.Core.Hypervisor;
using Vmm.Machine.CoreDump;

namespace Vmm.Machine;

/// <content>Looking at a guest that stands still, also after its end.</content>
public sealed partial class GuestMachine
{
    // Held while memory must stay as it is: before the life-cycle lock.
    private readonly Lock _looking = new();
    private int _holds;

    /// <summary>
    /// Writes the memory and the registers of the vCPUs to an ELF core file; a file that is there is replaced. A guest that runs stands still meanwhile;
    /// one that has ended is written as it was then.
    /// </summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    /// <exception cref="Host.LinuxException">Memory cannot be read.</exception>
    /// <exception cref="HypervisorException">A vCPU cannot be read, or the machine was stopped meanwhile.</exception>
    public CoreReport WriteCore(string path)
    {
        lock (_looking)
        {
            VcpuState[] vcpus = Hold();
            try
            {
                return CoreFile.Write(path, _memory, vcpus, () => Volatile.Read(ref _stop) is not null);
            }
            finally
            {
                lock (_life)
                {
                    if (--_holds == 0 && !_paused && _isLive) _board?.Resume();
                }
            }
        }
    }

    /// <summary>Gives back what the host gave for devices; memory and the state of the vCPUs stay. After <see cref="Run"/>.</summary>
    public void ReleaseDevices()
    {
        lock (_life)
        {
            if (_board is not null) throw new InvalidOperationException("the guest still has its devices");
            _attachments.ReleaseAll();
        }
    }

    private VcpuState[] Hold()
    {
        lock (_life)
        {
            if (!_isLive && _lastVcpus is { } last)
            {
                _holds++;
                return last;
            }

            if (_board is not { } board) throw new HypervisorException("the state of the vCPUs is lost");
            if (_isLive && !_paused) board.Pause();
            _holds++;
            try
            {
                return board.CaptureVcpus();
            }
            catch
            {
                _holds--;
                if (_isLive && !_paused) board.Resume();
                throw;
            }
        }
    }
}
