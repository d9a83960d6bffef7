using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine;

/// <content>
/// Devices that come and go while the guest runs. The guest finds a new one by itself; to remove one it is asked and may take its time, or
/// never do it: then the next reset removes it.
/// </content>
public sealed partial class GuestMachine
{
    /// <summary>A device was added; its id. Raised without locks.</summary>
    public event Action<string>? DeviceAdded;

    /// <summary>A device is gone and what the host gave for it is free; its id. Raised without locks, on any thread.</summary>
    public event Action<string>? DeviceRemoved;

    /// <summary>The devices on the PCI bus.</summary>
    public IReadOnlyList<DeviceInfo> Devices
    {
        get
        {
            lock (_life) return [.. _attachments.All.Select(d => new DeviceInfo(d.Config, d.Slot, d.IsLeaving || d.IsEjected))];
        }
    }

    /// <summary>The disks, in the order of their coming.</summary>
    public IReadOnlyList<DiskReport> Disks
    {
        get
        {
            PluggedDevice[] disks;
            lock (_life) disks = [.. _attachments.All.Where(d => d.Attachment is IDiskAttachment)];
            _attachments.Look();
            return [.. disks.Select(d => ((IDiskAttachment)d.Attachment).Report((DiskConfig)d.Config, d.Slot, d.IsLeaving || d.IsEjected))];
        }
    }

    /// <summary>Adds a device, also to a guest that runs. It stays through resets.</summary>
    /// <exception cref="DeviceException">The configuration is wrong, the id is in use, no slot is free, or the machine has ended.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    /// <exception cref="LinuxException">The host refused something that the device needs.</exception>
    public void AddDevice(DeviceConfig config)
    {
        if (ConfigValidator.Validate(config) is [var error, ..]) throw new DeviceException(error.ToString());
        if (config.Transport != VirtioTransportKind.Pci) throw new DeviceException($"'{config.Id}': only a device on the PCI bus can be added to a machine that is there");
        lock (_life) FindRoomFor(config);
        // Not under the lock: an image may be slow to open.
        IAttachment attachment = _attachments.Open(config);
        try
        {
            lock (_life)
            {
                (Board board, int slot) = FindRoomFor(config);
                PluggedDevice device = new(config, attachment, slot);
                board.Pci!.Insert(device);
                _attachments.Add(device);
            }
        }
        catch
        {
            attachment.Dispose();
            throw;
        }

        DeviceAdded?.Invoke(config.Id);
    }

    /// <summary>
    /// Asks the guest to let a device go. It is removed when the guest has, or at the next reset; <see cref="DeviceRemoved"/> tells. May be repeated.
    /// </summary>
    /// <param name="id">The device.</param>
    /// <param name="isForced">The host takes the device away at once: what the guest still asks of it fails until the guest lets go of it.</param>
    /// <exception cref="DeviceException">There is no such device, or the machine has ended.</exception>
    public void RemoveDevice(string id, bool isForced = false)
    {
        bool isGone = false;
        lock (_life)
        {
            PluggedDevice device = Find(id);
            if (_board is not { } board) throw Ended();
            if (device.Config.Transport != VirtioTransportKind.Pci) throw new DeviceException($"'{id}' is not on the PCI bus and stays as long as the machine");
            device.IsLeaving = true;
            // A guest that has not begun cannot mind.
            if (!_isLive) device.IsEjected = true;
            else if (isGone = isForced) Withdraw(board, device);
            else board.Pci!.RequestRemoval(device);
        }

        FinishRemovals();
        if (isGone) Report([id]);
    }

    /// <summary>Changes how fast the guest may use a disk, at once.</summary>
    /// <exception cref="DeviceException">There is no such disk, or the limits cannot be.</exception>
    public void SetDiskLimits(string id, RateLimits limits)
    {
        List<ConfigError> errors = [];
        RateLimitKeys.Disk.Check(id, limits, errors);
        if (errors.Count != 0) throw new DeviceException(errors[0].ToString());
        FindDisk(id).SetLimits(limits);
    }

    /// <summary>Makes a disk larger while the guest runs, which is told by a configuration interrupt. Any thread.</summary>
    /// <param name="id">The disk's id.</param>
    /// <param name="sizeBytes">The new size: whole sectors, not less than now.</param>
    /// <exception cref="DeviceException">There is no such disk.</exception>
    /// <exception cref="Storage.ImageException">It cannot have that size.</exception>
    /// <exception cref="LinuxException">The process that serves it does not answer.</exception>
    public void GrowDisk(string id, ulong sizeBytes) => FindDisk(id).Grow(sizeBytes);

    /// <summary>Tells the guest the size of a console's window, for consoles whose host end has no window of its own.</summary>
    /// <param name="id">The console device.</param>
    /// <param name="port">The port's number in its configuration.</param>
    /// <param name="size">Columns and rows.</param>
    /// <exception cref="DeviceException">There is no such console or port.</exception>
    public void ResizeConsole(string id, int port, TerminalSize size)
    {
        lock (_life)
        {
            if (Find(id).Attachment is not ConsoleAttachment console) throw new DeviceException($"'{id}' is no console");
            if (!console.TryResize(port, size)) throw new DeviceException($"'{id}' has no port {port}");
        }
    }

    private static DeviceException Ended() => new("the machine has ended");

    // What follows is not under the life-cycle lock: another process may have the device.
    private IDiskAttachment FindDisk(string id)
    {
        lock (_life) return Find(id).Attachment as IDiskAttachment ?? throw new DeviceException($"'{id}' is no disk");
    }

    private PluggedDevice Find(string id) => _attachments.Find(id) ?? throw new DeviceException($"there is no device '{id}'");

    private (Board Board, int Slot) FindRoomFor(DeviceConfig config)
    {
        if (_board is not { } board) throw Ended();
        if (_attachments.Find(config.Id) is not null) throw new DeviceException($"'{config.Id}' is another device's id");
        if (ConfigValidator.OneAtMost.Contains(config.Kind) && _attachments.All.Any(d => d.Config.Kind == config.Kind))
            throw new DeviceException($"the machine has a {config.Kind} device already, and a guest has one at most");
        return (board, _attachments.FreeSlot([.. board.Pci?.WithdrawnSlots ?? []]) ?? throw Attachments.NoSlot());
    }

    // On the thread of a vCPU, which must not wait for the life-cycle lock.
    private void OnEjected() => ThreadPool.UnsafeQueueUserWorkItem(machine => machine.FinishRemovals(), this, preferLocal: false);

    private void Withdraw(Board board, PluggedDevice device)
    {
        bool runs = !_paused && _holds == 0;
        if (runs) board.Pause();
        try
        {
            board.Pci!.Withdraw(device);
            _attachments.Remove(device);
        }
        finally
        {
            if (runs) board.Resume();
        }
    }

    private void FinishRemovals()
    {
        string[] gone;
        lock (_life)
        {
            PluggedDevice[] ejected = [.. _attachments.All.Where(d => d.IsEjected)];
            foreach (PluggedDevice device in ejected)
            {
                _board?.Pci?.TakeOut(device);
                _attachments.Remove(device);
            }

            _board?.Pci?.SweepWithdrawn();
            gone = [.. ejected.Select(d => d.Id)];
        }

        Report(gone);
    }

    /// <summary>Between two lives: takes out what was asked to go. Under the life-cycle lock.</summary>
    private string[] DropLeaving()
    {
        PluggedDevice[] leaving = [.. _attachments.All.Where(d => d.IsLeaving || d.IsEjected)];
        foreach (PluggedDevice device in leaving) _attachments.Remove(device);
        return [.. leaving.Select(d => d.Id)];
    }

    private void Report(string[] gone)
    {
        foreach (string id in gone) DeviceRemoved?.Invoke(id);
    }
}
