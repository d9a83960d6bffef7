using Vmm.Core.Hypervisor;
using Vmm.Host;

namespace Vmm.Machine;

/// <summary>
/// The thread of one vCPU. It begins parked; <see cref="Resume"/> lets the guest run, <see cref="Park"/> stops it at an instruction
/// boundary, and while it is parked <see cref="Execute"/> reaches the vCPU on its own thread. It ends with <see cref="TryEnd"/>.
/// </summary>
/// <remarks>One lock, held while a work item runs but never while the guest does.</remarks>
internal sealed class VcpuThread
{
    private const int StackBytes = 1 << 20;
    private const int EndPatienceMs = 5000;

    private readonly object _gate = new();
    private readonly IVcpuIo _io;
    private readonly LeftHandler _left;
    private readonly Thread _thread;
    private IVcpu? _vcpu;
    private Exception? _failure;
    private Order _order = Order.Park;
    private Action<IVcpu>? _work;
    private bool _isParked;
    private bool _hasLeft;
    private bool _hasEnded;

    /// <param name="index">Index of the vCPU.</param>
    /// <param name="create">Makes it; called on the new thread.</param>
    /// <param name="io">Its way to the buses.</param>
    /// <param name="left">
    /// Called when the guest left for another reason than a kick. The thread is parked then and does not resume.
    /// </param>
    /// <exception cref="HypervisorException">The vCPU could not be made.</exception>
    public VcpuThread(int index, Func<IVcpu> create, IVcpuIo io, LeftHandler left)
    {
        Index = index;
        _io = io;
        _left = left;
        _thread = new Thread(() => Live(create), StackBytes) { Name = $"vcpu {index}", IsBackground = true };
        _thread.Start();
        lock (_gate)
        {
            while (!_isParked && !_hasEnded) Monitor.Wait(_gate);
        }

        if (_failure is null) return;
        _thread.Join();
        throw new HypervisorException(_failure.Message, _failure);
    }

    /// <summary>Called on the vCPU's thread, outside the guest and any lock: the vCPU may be read.</summary>
    /// <param name="vcpu">The vCPU.</param>
    /// <param name="exit">Never <see cref="VcpuExit.Interrupted"/>.</param>
    /// <param name="why">One line for <see cref="VcpuExit.Failed"/>.</param>
    public delegate void LeftHandler(IVcpu vcpu, VcpuExit exit, string? why);

    private enum Order
    {
        Park,
        Run,
        End,
    }

    /// <summary>0 for the boot processor.</summary>
    public int Index { get; }

    /// <summary>The thread's id on the host.</summary>
    public int ThreadId { get; private set; }

    /// <summary>Lets the guest run. Returns at once.</summary>
    public void Resume() => Give(Order.Run);

    /// <summary>Asks the guest to stop; <see cref="WaitParked"/> waits until it has.</summary>
    public void Park()
    {
        Give(Order.Park);
        _vcpu!.Kick();
    }

    /// <summary>Waits until no guest instruction runs any more.</summary>
    /// <exception cref="HypervisorException">The hypervisor does not let go of the vCPU.</exception>
    public void WaitParked()
    {
        long end = Environment.TickCount64 + EndPatienceMs;
        lock (_gate)
        {
            while (!_isParked && !_hasEnded)
            {
                long left = end - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_gate, (int)left)) throw new HypervisorException($"vCPU {Index} does not stop");
            }
        }
    }

    /// <summary>Runs something with the parked vCPU, on its thread, and waits for it.</summary>
    /// <exception cref="HypervisorException">What the work threw.</exception>
    public void Execute(Action<IVcpu> work)
    {
        Exception? failure;
        lock (_gate)
        {
            while ((_work is not null || !_isParked) && !_hasEnded) Monitor.Wait(_gate);
            if (_hasEnded) throw new HypervisorException($"vCPU {Index} has ended");
            _failure = null;
            _work = work;
            Monitor.PulseAll(_gate);
            while (_work is not null) Monitor.Wait(_gate);
            failure = _failure;
            _failure = null;
        }

        if (failure is not null) throw new HypervisorException(failure.Message, failure);
    }

    /// <summary>Ends the thread and the vCPU with it.</summary>
    /// <returns>False when the hypervisor does not let go of the vCPU: memory and buses must stay then, until the process ends.</returns>
    public bool TryEnd()
    {
        Give(Order.End);
        _vcpu?.Kick();
        return _thread.Join(EndPatienceMs);
    }

    private void Give(Order order)
    {
        lock (_gate)
        {
            if (_order == Order.End) return;
            _order = order;
            Monitor.PulseAll(_gate);
        }
    }

    private void Live(Func<IVcpu> create)
    {
        IVcpu vcpu;
        ThreadId = HostThread.CurrentId;
        try
        {
            vcpu = create();
        }
        catch (Exception e)
        {
            _failure = e;
            End();
            return;
        }

        _vcpu = vcpu;
        while (WaitForRun(vcpu))
        {
            (VcpuExit exit, string? why) = Run(vcpu);
            if (exit == VcpuExit.Interrupted) continue;
            lock (_gate) _hasLeft = true;
            _left(vcpu, exit, why);
        }

        vcpu.Dispose();
        End();
    }

    private (VcpuExit Exit, string? Why) Run(IVcpu vcpu)
    {
        try
        {
            VcpuExit exit = vcpu.Run(_io);
            return (exit, exit == VcpuExit.Failed ? vcpu.FailureReason : null);
        }
        catch (Exception e)
        {
            return (VcpuExit.Failed, e.Message);
        }
    }

    /// <summary>Does the work that comes while parked.</summary>
    /// <returns>False at the end.</returns>
    private bool WaitForRun(IVcpu vcpu)
    {
        lock (_gate)
        {
            while (true)
            {
                if (_work is not null) DoWork(vcpu, _work);
                if (_order == Order.End) return false;
                if (_order == Order.Run && !_hasLeft) break;
                if (!_isParked)
                {
                    _isParked = true;
                    Monitor.PulseAll(_gate);
                }

                Monitor.Wait(_gate);
            }

            _isParked = false;
            return true;
        }
    }

    private void DoWork(IVcpu vcpu, Action<IVcpu> work)
    {
        try
        {
            work(vcpu);
        }
        catch (Exception e)
        {
            _failure = e;
        }

        _work = null;
        Monitor.PulseAll(_gate);
    }

    private void End()
    {
        lock (_gate)
        {
            _hasEnded = true;
            _work = null;
            Monitor.PulseAll(_gate);
        }
    }
}
