namespace Vmm.Machine;

/// <content>What is left of a guest after its end, and how to look at it.</content>
public sealed partial class GuestMachine
{
    /// <summary>Gives back what the host gave for devices; memory and the state of the vCPUs stay. After <see cref="Run"/>.</summary>
    public void ReleaseDevices()
    {
        lock (_life)
        {
            if (_board is not null) throw new InvalidOperationException("the guest still has its devices");
            _attachments.ReleaseAll();
        }
    }

    /// <summary>Writes memory and vCPUs to a core file.</summary>
    public void WriteCore(string path) => throw new Vmm.Host.LinuxException($"{_config.Name}: {path}: not there yet");
}
