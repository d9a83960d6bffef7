using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>A device of a machine, through all its lives.</summary>
/// <param name="config">What was asked for.</param>
/// <param name="attachment">The host end.</param>
/// <param name="slot">Its device number on the PCI bus.</param>
internal sealed class PluggedDevice(DeviceConfig config, IAttachment attachment, int slot)
{
    private bool _isEjected;

    /// <summary>What was asked for.</summary>
    public DeviceConfig Config => config;

    /// <summary>The host end.</summary>
    public IAttachment Attachment => attachment;

    /// <summary>Its device number on the PCI bus.</summary>
    public int Slot => slot;

    /// <summary>By which it is spoken of.</summary>
    public string Id => config.Id;

    /// <summary>The guest is asked to let it go.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>The guest has taken it out of this life of the machine. Set on any thread.</summary>
    public bool IsEjected
    {
        get => Volatile.Read(ref _isEjected);
        set => Volatile.Write(ref _isEjected, value);
    }
}
